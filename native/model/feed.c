/* feed.c - takes the words of a run apart and hands each access to the caches, the counters and the core.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "state.h"

/* After a load beyond L2 so many blocks look ahead, so many words. */
enum { TPMI_MISSING = 32, TPMI_AHEAD = 24 };

static struct tpm_thread *tpmi_thread_new(struct tpm_sim *sim, uint32_t number) {
    struct tpm_thread *thread = sim->host.get(sizeof *thread);
    if (thread == NULL) return NULL;
    thread->number = number;
    thread->core = number % (uint32_t)sim->config.cores;
    thread->rows.pool = &sim->rows;
    thread->rows.spare = &sim->spare;
    thread->rows.host = &sim->host;
    thread->model.episodes.thread = number;
    thread->model.episodes.chains = sim->chains;
    thread->model.episodes.output = &sim->output;
    thread->model.episodes.folded = &sim->folded;
    if (sim->config.timing && !tpm_core_new(&thread->model, &sim->latencies, &sim->host)) {
        sim->host.put(thread, sizeof *thread);
        return NULL;
    }
    sim->order[sim->n_threads++] = thread;
    return thread;
}

static struct tpm_thread *tpmi_thread(struct tpm_sim *sim, uint32_t number) {
    struct tpm_thread **thread = &sim->thread[number % TPM_THREADS];
    if (*thread == NULL) *thread = tpmi_thread_new(sim, number % TPM_THREADS);
    return *thread;
}

/* A load beyond L2 finds its set of the simulated L3 in none of this machine's near caches either. While
 * there are such loads, the sets of addresses some words ahead are fetched beforehand. */
static inline void tpmi_expect(const struct tpm_sim *sim, struct tpm_thread *thread, const uint64_t *words,
                               uint32_t count, const uint64_t *end) {
    if (__builtin_expect(thread->missing == 0, 1)) return;
    thread->missing--;
    words += TPMI_AHEAD;
    const struct tpm_sets *l3 = &sim->caches->l3;
    for (const uint64_t *last = words + count < end ? words + count : end; words < last; words++) {
        uint64_t line = *words >> TPM_LINE_BITS;
        tpmi_level_expect(l3, tpmi_level_place(l3, line));
        if (sim->config.prefetch_next_line) tpmi_level_expect(l3, tpmi_level_place(l3, line ^ 1));
    }
}

/* Counts an access where it falls in its allocation, if that is a large one. */
static inline void tpmi_warm(struct tpm_sim *sim, const struct tpm_access *access, uint64_t address) {
    const struct tpm_claim *claim = access->range->owner;
    if (claim->counts == NULL) return;
    uint64_t *count = &claim->counts[(address - claim->first) >> claim->shift];
    *count += tpm_heat_amount((enum tpm_kind)access->kind);
    if (__builtin_expect(tpm_heat_full(*count), 0)) tpm_heat_write(&sim->heats, claim->heat, false);
}

/* The same for the lines that it fetched from memory. */
static inline void tpmi_warm_by_misses(struct tpm_sim *sim, const struct tpm_access *access, uint64_t address,
                                       const struct tpm_outcome *outcome) {
    const struct tpm_claim *claim = access->range->owner;
    if (claim->counts == NULL) return;
    uint32_t *misses = &claim->heat->misses[(address - claim->first) >> claim->shift];
    *misses += outcome->by_class[TPX_NEAR] + outcome->by_class[TPX_MID] + outcome->by_class[TPX_FAR];
    if (__builtin_expect(*misses >> 31, 0)) tpm_heat_write(&sim->heats, claim->heat, false);
}

/* Lets the caches have an access, and counts it if that is `measured`. Sets `event`, if `timed`, but for its
 * number. */
static inline __attribute__((always_inline)) void tpmi_access(struct tpm_sim *sim, struct tpm_thread *thread,
                                                              struct tpm_access *access, uint64_t address,
                                                              bool timed, bool measured,
                                                              struct tpm_event *event) {
    uint32_t object = tpm_objects_at(&sim->objects, access, address);
    struct tpx_object *row = NULL;
    bool load = access->kind == TPM_LOAD || access->kind == TPM_UPDATE;
    if (measured) {
        row = tpm_rows_at(&thread->rows, object);
        tpm_row_access(row, access);
        tpmi_warm(sim, access, address);
    }
    if (timed) {
        event->access = access;
        event->address = address;
        event->latency = load ? sim->latencies.l1 : 0;
        event->answer = TPM_L1;
    }
    if (tpm_caches_hit(sim->caches, thread->core, address, access)) return;
    struct tpm_outcome outcome;
    tpm_caches_access(sim->caches, thread->core, address, access, object, &outcome);
    if (measured) {
        tpm_row_outcome(row, access->kind, &outcome);
        if (outcome.answer == TPM_MEMORY) tpmi_warm_by_misses(sim, access, address, &outcome);
    }
    if (outcome.answer > TPM_L2) thread->missing = TPMI_MISSING;
    if (timed) {
        if (load && outcome.answer != TPM_L1) event->latency = sim->latencies.l2;
        if (outcome.translation == TPM_TLB_SECOND) event->latency += sim->latencies.tlb2;
        if (outcome.translation == TPM_TLB_WALK) event->latency += sim->latencies.walk;
        event->object = object;
        event->lines = outcome.l2_misses;
        event->answer = outcome.answer;
        event->node_class = outcome.node_class;
    }
}

/* A fence touches nothing but what the non-temporal stores have collected. */
static inline void tpmi_fence(struct tpm_sim *sim, struct tpm_thread *thread, bool measured) {
    tpm_caches_drain(sim->caches, thread->core);
    if (measured) thread->fences++;
}

/* One execution of a block, its time left aside. */
static inline void tpmi_run_plain(struct tpm_sim *sim, struct tpm_thread *thread, const struct tpm_exit *exit,
                                  const uint64_t *addresses, bool measured) {
    struct tpm_access *access = exit->block->accesses;
    for (uint32_t left = exit->n_accesses; left > 0; left--, access++, addresses++) {
        if (__builtin_expect(*addresses == 0, 0)) {
            if (access->kind == TPM_FENCE) tpmi_fence(sim, thread, measured);
            continue;
        }
        tpmi_access(sim, thread, access, *addresses, false, measured, NULL);
        if (measured && access->kind == TPM_UPDATE) thread->fences++;
    }
}

static inline void tpmi_access_timed(struct tpm_sim *sim, struct tpm_thread *thread, struct tpm_run *run,
                                     struct tpm_access *access, uint32_t number, uint64_t address) {
    struct tpm_event event;
    event.access = access;
    event.number = number;
    if (__builtin_expect(address != 0, 1)) {
        tpmi_access(sim, thread, access, address, true, true, &event);
        if (access->kind != TPM_UPDATE) {
            tpm_core_access(&thread->model, &sim->latencies, run, &event);
        } else {
            thread->fences++;
            tpm_core_fence(&thread->model, &sim->latencies, run, &event);
        }
    } else if (access->kind == TPM_FENCE) {
        tpmi_fence(sim, thread, true);
        tpm_core_fence(&thread->model, &sim->latencies, run, &event);
    } else {
        tpm_core_skip(&thread->model, run, number);
    }
}

/* One execution of a block, and how long the core takes for it. */
static inline void tpmi_run_timed(struct tpm_sim *sim, struct tpm_thread *thread, const struct tpm_exit *exit,
                                  const uint64_t *addresses) {
    const struct tpm_latencies *latencies = &sim->latencies;
    const struct tpm_block *block = exit->block;
    struct tpm_core *model = &thread->model;
    struct tpm_predictor *predictor = &sim->predictors[thread->core];
    tpm_core_enter(model, latencies, predictor, block);
    struct tpm_run run = {.base = model->now.ticks};
    uint32_t number = 0;
    for (const struct tpm_exit *passed = block->exits;; passed++) {
        for (; number < passed->n_accesses; number++)
            tpmi_access_timed(sim, thread, &run, &block->accesses[number], number, addresses[number]);
        if (passed->kind == TPM_BRANCH)
            tpm_core_branch(model, latencies, predictor, &run, passed, passed == exit);
        if (passed == exit) break;
        run.passed = passed->n_instructions;
    }
    tpm_core_leave(model, latencies, &run, exit);
}

/* Counts instructions; returns false when the slice is full. */
static inline bool tpmi_count(struct tpm_sim *sim, struct tpm_thread *thread, uint64_t instructions,
                              bool measured) {
    sim->instructions += instructions;
    if (!measured) return true;
    sim->measured += instructions;
    thread->instructions += instructions;
    sim->slice.instructions += instructions;
    return sim->slice.instructions < sim->slice.length;
}

static inline __attribute__((always_inline)) void tpmi_feed(struct tpm_sim *sim, struct tpm_thread *thread,
                                                            const uint64_t *words, size_t count, bool timed,
                                                            bool measured) {
    for (const uint64_t *end = words + count; words < end;) {
        const struct tpm_exit *exit = (const struct tpm_exit *)(uintptr_t)*words++;
        tpmi_expect(sim, thread, words, 1 + exit->n_accesses, end);
        if (timed && measured)
            tpmi_run_timed(sim, thread, exit, words);
        else
            tpmi_run_plain(sim, thread, exit, words, measured);
        if (timed && !measured) tpm_core_learn(&thread->model, &sim->predictors[thread->core], exit);
        words += exit->n_accesses;
        if (!tpmi_count(sim, thread, exit->n_instructions, measured)) tpm_slice_end(sim);
    }
}

static void tpmi_feed_skipped(struct tpm_sim *sim, const uint64_t *words, size_t count) {
    for (const uint64_t *end = words + count; words < end;) {
        const struct tpm_exit *exit = (const struct tpm_exit *)(uintptr_t)*words;
        sim->instructions += exit->n_instructions;
        words += 1 + exit->n_accesses;
    }
}

void tpm_sim_feed(struct tpm_sim *sim, uint32_t thread, const uint64_t *words, size_t count) {
    struct tpm_thread *runs = sim->mode == TPM_SKIP ? NULL : tpmi_thread(sim, thread);
    sim->running = runs;
    if (runs == NULL) {
        sim->no_memory |= sim->mode != TPM_SKIP;
        tpmi_feed_skipped(sim, words, count);
    } else if (sim->mode == TPM_WARM && sim->config.timing) {
        tpmi_feed(sim, runs, words, count, true, false);
    } else if (sim->mode == TPM_WARM) {
        tpmi_feed(sim, runs, words, count, false, false);
    } else if (sim->config.timing) {
        tpmi_feed(sim, runs, words, count, true, true);
    } else {
        tpmi_feed(sim, runs, words, count, false, true);
    }
}
