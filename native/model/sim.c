/* sim.c - see sim.h: a simulator from its beginning to its end. feed.c is what happens in between.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "sim.h"

#include "state.h"

void tpm_sim_mode(struct tpm_sim *sim, enum tpm_mode mode, double weight) {
    if (mode == sim->mode && weight == sim->weight) return;
    tpm_slice_end(sim);
    for (uint32_t i = 0; i < sim->n_threads; i++)
        sim->order[i]->model.jump.open = false;
    if (mode == TPM_MEASURE) tpm_heats_weigh(&sim->heats, weight);
    sim->mode = mode;
    sim->weight = weight;
    sim->caches->counting = mode == TPM_MEASURE;
}

void tpm_sim_claim(struct tpm_sim *sim, uint64_t address, uint64_t bytes, uint32_t object) {
    sim->no_memory |= !tpm_objects_claim(&sim->objects, address, bytes, object);
}

void tpm_sim_release(struct tpm_sim *sim, uint64_t address, uint64_t bytes) {
    sim->no_memory |= !tpm_objects_release(&sim->objects, address, bytes);
}

void tpm_sim_forget(struct tpm_sim *sim, const struct tpm_block *block) {
    /* Nothing of a block is kept beyond the feed that ran it: a pending jump is known by its hash. */
    (void)sim;
    (void)block;
}

uint64_t tpm_sim_instructions(const struct tpm_sim *sim) {
    return sim->instructions;
}

void tpm_sim_note(struct tpm_sim *sim, uint32_t code, uint64_t value, const char *text) {
    struct tpx_note note = {.code = code, .value = value};
    size_t bytes = 0;
    while (text != NULL && text[bytes] != '\0')
        bytes++;
    tpm_output_record(&sim->output, TPX_NOTE, &note, sizeof note, text, bytes);
}

static void tpmi_free(struct tpm_sim *sim) {
    struct tpm_host host = sim->host;
    for (uint32_t i = 0; i < sim->n_threads; i++) {
        tpm_rows_free(&sim->order[i]->rows);
        tpm_core_free(&sim->order[i]->model, &host);
        host.put(sim->order[i], sizeof *sim->order[i]);
    }
    if (sim->predictors != NULL) {
        for (uint32_t i = 0; i < sim->config.cores; i++)
            tpm_predictor_free(&sim->predictors[i], &host);
        host.put(sim->predictors, sim->config.cores * sizeof *sim->predictors);
    }
    if (sim->caches != NULL) tpm_caches_free(sim->caches);
    tpm_chains_free(sim->chains, &host);
    tpm_pool_end(&sim->rows);
    tpm_objects_end(&sim->objects);
    tpm_heats_end(&sim->heats);
    tpm_output_free(&sim->output);
    host.put(sim, sizeof *sim);
}

static void tpmi_written(void *context, uint32_t object, bool new_block) {
    struct tpm_sim *sim = context;
    if (sim->mode != TPM_MEASURE) return;
    struct tpx_object *row = tpm_rows_at(&sim->running->rows, object);
    row->writeback_lines++;
    row->write_blocks += new_block;
}

static bool tpmi_predictors_new(struct tpm_sim *sim) {
    sim->predictors = sim->host.get(sim->config.cores * sizeof *sim->predictors);
    for (uint32_t i = 0; sim->predictors != NULL && i < sim->config.cores; i++)
        if (!tpm_predictor_new(&sim->predictors[i], &sim->config, &sim->host)) return false;
    return sim->predictors != NULL;
}

struct tpm_sim *tpm_sim_new(const struct tpm_config *config, const struct tpm_host *host) {
    struct tpm_sim *sim = host->get(sizeof *sim);
    if (sim == NULL) return NULL;
    sim->config = *config;
    sim->host = *host;
    sim->latencies = tpm_latencies_of(config);
    sim->mode = TPM_MEASURE;
    sim->weight = 1.0;
    sim->slice.length = config->slice_instructions;
    tpm_pool_init(&sim->rows, &sim->host, sizeof(struct tpm_row));
    tpm_heats_init(&sim->heats, config->heat_bytes, &sim->host, &sim->output);
    bool made =
        tpm_objects_init(&sim->objects, &sim->heats, &sim->host) && tpm_output_new(&sim->output, &sim->host);
    sim->caches = made ? tpm_caches_new(config, &sim->host, tpmi_written, sim) : NULL;
    made = sim->caches != NULL;
    if (made && config->timing)
        made = (sim->chains = tpm_chains_new(&sim->host)) != NULL && tpmi_predictors_new(sim);
    if (!made) {
        tpmi_free(sim);
        return NULL;
    }
    sim->caches->counting = true;
    tpm_output_head(&sim->output, host->pid, config);
    return sim;
}

/* Histograms of reuse cannot be emptied: new ones take their place. False: no memory, nothing is changed. */
static bool tpmi_renew_reuse(struct tpm_sim *sim) {
    struct tpm_caches *caches = sim->caches;
    if (caches->lines == NULL) return true;
    uint64_t every = sim->config.reuse_every, seed = sim->config.seed;
    struct tpm_reuse *lines = tpm_reuse_new(64, every, seed, &sim->host);
    struct tpm_reuse *pages = tpm_reuse_new(4096, every, seed, &sim->host);
    if (lines == NULL || pages == NULL) {
        if (lines != NULL) tpm_reuse_free(lines);
        if (pages != NULL) tpm_reuse_free(pages);
        return false;
    }
    tpm_reuse_free(caches->lines);
    tpm_reuse_free(caches->pages);
    caches->lines = lines;
    caches->pages = pages;
    return true;
}

bool tpm_sim_fork(struct tpm_sim *sim, const struct tpm_host *host) {
    if (!tpmi_renew_reuse(sim)) return false;
    for (uint32_t i = 0; i < sim->n_threads; i++) {
        struct tpm_thread *thread = sim->order[i];
        tpm_rows_end(&thread->rows, thread->number, NULL);
        tpm_core_drop(&thread->model);
        thread->instructions = thread->fences = 0;
    }
    tpm_heats_write(&sim->heats, true);
    sim->host.write = host->write;
    sim->host.context = host->context;
    sim->host.pid = host->pid;
    sim->output.used = 0;
    sim->output.failed = false;
    sim->instructions = sim->measured = sim->folded = 0;
    sim->slice.count = 0;
    tpm_slice_begin(sim);
    sim->slice.length = sim->config.slice_instructions;
    tpm_output_head(&sim->output, host->pid, &sim->config);
    return true;
}

static void tpmi_write_reuse(struct tpm_sim *sim, const struct tpm_reuse *reuse) {
    for (uint32_t i = 0; reuse != NULL && i < tpm_reuse_count(reuse); i++)
        tpm_output_record(&sim->output, TPX_REUSE, tpm_reuse_histogram(reuse, i), sizeof(struct tpx_reuse),
                          NULL, 0);
}

void tpm_sim_end(struct tpm_sim *sim) {
    tpm_slice_end(sim);
    tpmi_write_reuse(sim, sim->caches->lines);
    tpmi_write_reuse(sim, sim->caches->pages);
    tpm_heats_write(&sim->heats, false);
    if (sim->heats.left_out > 0) tpm_sim_note(sim, TPX_NOTE_HEAT, sim->heats.left_out, NULL);
    if (sim->folded > 0) tpm_sim_note(sim, TPX_NOTE_FOLDED, sim->folded, NULL);
    if (sim->no_memory) tpm_sim_note(sim, TPX_NOTE_OTHER, 0, "no memory for all that was to be counted");
    struct tpx_end end = {.instructions = sim->instructions, .measured = sim->measured};
    tpm_output_record(&sim->output, TPX_END, &end, sizeof end, NULL, 0);
    tpm_output_flush(&sim->output);
    tpmi_free(sim);
}
