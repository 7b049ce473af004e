/* core.c - see core.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "core.h"

#include "../common/check.h"

struct tpm_latencies tpm_latencies_of(const struct tpm_config *config) {
    uint64_t width = config->issue_width;
    return (struct tpm_latencies){.width = width,
                                  .window = config->window_instructions,
                                  .miss_buffers = config->miss_buffers,
                                  .l1 = config->l1_cycles * width,
                                  .l2 = config->l2_cycles * width,
                                  .tlb2 = config->tlb2_cycles * width,
                                  .walk = config->walk_cycles * width,
                                  .mispredict = config->mispredict_cycles * width,
                                  .fence = TPM_FENCE_CYCLES * width};
}

/* The ring holds a block an entry, of one instruction at least, and those of one window and the block behind
 * it. */
static uint32_t tpmi_ring_entries(uint64_t window) {
    uint32_t entries = 1;
    while (entries < window + 2)
        entries *= 2;
    return entries;
}

bool tpm_core_new(struct tpm_core *core, const struct tpm_latencies *latencies, const struct tpm_host *host) {
    uint32_t entries = tpmi_ring_entries(latencies->window);
    core->ring = host->get(entries * sizeof *core->ring);
    core->ring_mask = entries - 1;
    core->episodes.window = latencies->window;
    core->episodes.width = latencies->width;
    core->stored.episode = 1;
    return core->ring != NULL;
}

void tpm_core_free(struct tpm_core *core, const struct tpm_host *host) {
    if (core->ring != NULL) host->put(core->ring, (core->ring_mask + 1) * sizeof *core->ring);
    core->ring = NULL;
    tpm_episodes_free(&core->episodes);
}

void tpm_core_drop(struct tpm_core *core) {
    tpm_episodes_drop(&core->episodes);
    tpm_stored_forget(&core->stored);
    core->jump.waits = 0;
    core->told = core->now.ticks;
    core->branches = core->mispredicts = 0;
}

static uint64_t tpmi_waits(const struct tpm_core *core, const struct tpm_flows *flows) {
    uint64_t waits = 0;
    for (uint32_t i = 0; i < flows->count; i++)
        waits |= core->waits[flows->flow[i].source];
    return waits;
}

void tpm_core_end_episode(struct tpm_core *core, struct tpm_moment end) {
    if (core->episodes.n_misses == 0) return;
    tpm_episodes_end(&core->episodes, end);
    tpm_stored_forget(&core->stored);
    core->jump.waits = 0;
}

/* Dispatch waits until all but the last `window` instructions have retired. */
static void tpmi_window(struct tpm_core *core, uint64_t window) {
    while (core->ring_tail != core->ring_head) {
        struct tpm_retirement oldest = core->ring[core->ring_tail & core->ring_mask];
        if (oldest.instructions + window > core->now.instructions) break;
        if (oldest.ticks > core->now.ticks) core->now.ticks = oldest.ticks;
        core->ring_tail++;
    }
}

void tpm_core_enter(struct tpm_core *core, const struct tpm_latencies *latencies,
                    struct tpm_predictor *predictor, const struct tpm_block *block) {
    if (core->jump.open) {
        core->jump.open = false;
        if (!tpm_predictor_target(predictor, core->jump.hash, block->address)) {
            core->mispredicts++;
            if (core->jump.waits != 0) tpm_core_end_episode(core, core->now);
            if (core->jump.ready > core->now.ticks) core->now.ticks = core->jump.ready;
            core->now.ticks += latencies->mispredict;
        }
    }
    if (core->episodes.n_misses != 0 &&
        core->now.instructions - core->episodes.begin.instructions >= latencies->window)
        tpm_core_end_episode(core, core->now);
    tpmi_window(core, latencies->window);
}

void tpm_core_learn(struct tpm_core *core, struct tpm_predictor *predictor, const struct tpm_exit *exit) {
    if (core->jump.open) tpm_predictor_target(predictor, core->jump.hash, exit->block->address);
    for (const struct tpm_exit *passed = exit->block->exits; passed <= exit; passed++)
        if (passed->kind == TPM_BRANCH)
            tpm_predictor_branch(predictor, &core->history, passed, passed == exit);
    core->jump.open = exit->kind == TPM_INDIRECT;
    core->jump.hash = tpm_branch_hash(exit);
    core->jump.ready = core->jump.waits = 0;
}

void tpm_core_mispredict(struct tpm_core *core, const struct tpm_latencies *latencies, struct tpm_run *run,
                         const struct tpm_exit *exit) {
    uint64_t ticks = run->base + exit->n_instructions;
    core->mispredicts++;
    if (core->episodes.n_misses != 0 && tpmi_waits(core, &exit->condition) != 0)
        tpm_core_end_episode(core, (struct tpm_moment){ticks, core->now.instructions + exit->n_instructions});
    ticks = tpm_core_ready(core, &exit->condition, ticks, latencies->width) + latencies->mispredict;
    run->base = ticks - exit->n_instructions;
}

void tpm_core_skip(struct tpm_core *core, const struct tpm_run *run, uint32_t number) {
    tpmi_core_loaded(core, number, run->base + run->passed);
    if (number < TPM_LOADS) core->waits[TPM_REGISTERS + number] = 0;
}

/* A load beyond L2 joins the open episode, or begins one. Returns what its value waits for. */
static uint64_t tpmi_miss(struct tpm_core *core, const struct tpm_latencies *latencies,
                          const struct tpm_run *run, const struct tpm_event *event, uint64_t waits,
                          uint64_t first, uint64_t last) {
    struct tpm_episodes *episodes = &core->episodes;
    if (episodes->n_misses == latencies->miss_buffers) tpm_core_end_episode(core, tpmi_moment(core, run));
    if (episodes->n_misses == 0) {
        __builtin_memset(core->waits, 0, sizeof core->waits);
        episodes->begin = tpmi_moment(core, run);
        waits = 0;
    }
    struct tpm_miss miss = {.waits = waits, .object = event->object, .node_class = event->node_class};
    if (event->answer == TPM_L3) miss.node_class = TPX_L3;
    return tpm_episodes_add(episodes, miss, first, last, event->lines);
}

/* What the value that a load gets waits for. */
static uint64_t tpmi_load_waits(struct tpm_core *core, const struct tpm_latencies *latencies,
                                const struct tpm_run *run, const struct tpm_event *event) {
    const struct tpm_access *access = event->access;
    bool open = core->episodes.n_misses != 0;
    uint64_t first = event->address / TPM_LINE_BYTES,
             last = (event->address + access->bytes - 1) / TPM_LINE_BYTES;
    uint64_t waits = open ? tpmi_waits(core, &access->address) : 0;
    if (event->answer > TPM_L2) {
        waits = tpmi_miss(core, latencies, run, event, waits, first, last);
    } else if (open) {
        waits |= tpm_episodes_fetching(&core->episodes, first, last);
    }
    return waits | tpm_stored_get(&core->stored, event->address, access->bytes);
}

void tpm_core_wait(struct tpm_core *core, const struct tpm_latencies *latencies, const struct tpm_run *run,
                   const struct tpm_event *event) {
    const struct tpm_access *access = event->access;
    uint64_t waits = 0;
    if (access->kind == TPM_LOAD)
        waits = tpmi_load_waits(core, latencies, run, event);
    else if (access->kind == TPM_STORE || access->kind == TPM_STORE_NT)
        tpm_stored_put(&core->stored, event->address, access->bytes, tpmi_waits(core, &access->data));
    uint32_t source = TPM_REGISTERS + (event->number < TPM_LOADS ? event->number : TPM_LOADS - 1);
    core->waits[source] = event->number < TPM_LOADS ? waits : core->waits[source] | waits;
}

void tpm_core_fence(struct tpm_core *core, const struct tpm_latencies *latencies, struct tpm_run *run,
                    const struct tpm_event *event) {
    uint64_t done = run->base + run->passed;
    tpm_core_end_episode(core, tpmi_moment(core, run));
    if (core->retired > done) done = core->retired;
    if (event->access->kind == TPM_UPDATE) {
        done = tpm_core_ready(core, &event->access->address, done, latencies->width) + event->latency;
        run->base = done - run->passed;
        if (event->answer > TPM_L2) tpmi_load_waits(core, latencies, run, event);
        tpm_core_end_episode(core, tpmi_moment(core, run));
    }
    done += latencies->fence;
    run->base = done - run->passed;
    tpmi_core_loaded(core, event->number, done);
    if (event->number < TPM_LOADS) core->waits[TPM_REGISTERS + event->number] = 0;
}

/* The registers that the run up to `exit` has written. All are read before any is written. */
static void tpmi_transfer(struct tpm_core *core, const struct tpm_latencies *latencies,
                          const struct tpm_run *run, const struct tpm_exit *exit) {
    uint64_t ready[TPM_REGISTERS], waits[TPM_REGISTERS];
    const struct tpm_transfer *transfer = exit->transfers;
    uint32_t count = exit->n_transfers;
    bool open = core->episodes.n_misses != 0;
    TP_CHECK(count <= TPM_REGISTERS);
    for (uint32_t i = 0; i < count; i++) {
        ready[i] = tpm_core_ready(core, &transfer[i].value, run->base, latencies->width);
        if (open) waits[i] = tpmi_waits(core, &transfer[i].value);
    }
    for (uint32_t i = 0; i < count; i++) {
        core->ready[transfer[i].reg] = ready[i];
        if (open) core->waits[transfer[i].reg] = waits[i];
        if (ready[i] > core->retired) core->retired = ready[i];
    }
}

void tpm_core_leave(struct tpm_core *core, const struct tpm_latencies *latencies, struct tpm_run *run,
                    const struct tpm_exit *exit) {
    if (exit->kind == TPM_INDIRECT) {
        core->branches++;
        core->jump.open = true;
        core->jump.hash = tpm_branch_hash(exit);
        core->jump.ready = tpm_core_ready(core, &exit->condition, 0, latencies->width);
        core->jump.waits = core->episodes.n_misses != 0 ? tpmi_waits(core, &exit->condition) : 0;
    } else if (exit->kind == TPM_RETURN) {
        core->branches++;
    }
    tpmi_transfer(core, latencies, run, exit);
    core->now.ticks = run->base + exit->n_instructions;
    core->now.instructions += exit->n_instructions;
    if (core->now.ticks > core->retired) core->retired = core->now.ticks;
    if (exit->n_instructions == 0) return;
    core->ring[core->ring_head++ & core->ring_mask] =
        (struct tpm_retirement){core->now.instructions, core->retired};
    TP_CHECK(core->ring_head - core->ring_tail <= core->ring_mask + 1);
}
