/* core.h - when a core would get through its instructions if every access were at worst an L2 hit, and which
 * values wait for loads of the open episode.
 *
 * Dispatch goes on by issue_width instructions a cycle. A value is ready when the last of what it is made of
 * is, plus the latency of the way from there (block.h's flows): so time is a matter of sums and maxima. What
 * stops dispatch: an instruction that has not retired when the window is full behind it, a branch that was
 * guessed wrong, a fence. Ticks: issue_width of them are a cycle, so that an instruction takes one.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_CORE_H
#define TPM_CORE_H

#include "block.h"
#include "cache.h"
#include "episodes.h"
#include "predictor.h"
#include "stored.h"

/* What a locked instruction takes beyond its load, and a fence: LOCK ADD m,r does one in 18 cycles on
 * Skylake, of which its load takes 5 (Agner Fog, Instruction tables). */
#define TPM_FENCE_CYCLES 13u

/* Latencies in ticks. */
struct tpm_latencies {
    uint64_t width, window, miss_buffers;
    uint64_t l1, l2, tlb2, walk, mispredict, fence;
};

struct tpm_retirement {
    uint64_t instructions, ticks; /* so many have retired at that time */
};

struct tpm_core {
    struct tpm_moment now; /* at the start of a block */
    uint64_t ready[TPM_REGISTERS + TPM_LOADS];
    uint64_t waits[TPM_REGISTERS + TPM_LOADS]; /* valid while an episode is open */
    uint64_t retired;                          /* when all that was dispatched has retired */
    struct tpm_retirement *ring;               /* of blocks that may not have */
    uint32_t ring_mask, ring_head, ring_tail;
    uint64_t history; /* of branches */
    struct {
        bool open;
        uint64_t hash, ready, waits;
    } jump; /* the computed one that the last block ended with */
    uint64_t branches, mispredicts;
    uint64_t told; /* ticks that were written as cycles */
    struct tpm_stored stored;
    struct tpm_episodes episodes;
};

struct tpm_latencies tpm_latencies_of(const struct tpm_config *config);

/* False: no memory. `core` is zeroed memory. */
bool tpm_core_new(struct tpm_core *core, const struct tpm_latencies *latencies, const struct tpm_host *host);
void tpm_core_free(struct tpm_core *core, const struct tpm_host *host);

/* Forgets what was counted, and the open episode. */
void tpm_core_drop(struct tpm_core *core);

/* Where a run through a block is: `base` + n is when instruction n of it is dispatched; `passed` were by its
 * last exit. */
struct tpm_run {
    uint64_t base, passed;
};

/* The open episode ends; what waits for it waits no longer. */
void tpm_core_end_episode(struct tpm_core *core, struct tpm_moment end);

/* Blocks. */
void tpm_core_enter(struct tpm_core *core, const struct tpm_latencies *latencies,
                    struct tpm_predictor *predictor, const struct tpm_block *block);
void tpm_core_leave(struct tpm_core *core, const struct tpm_latencies *latencies, struct tpm_run *run,
                    const struct tpm_exit *exit);

/* What a run that was left at `exit` teaches the predictor, when nothing is timed. */
void tpm_core_learn(struct tpm_core *core, struct tpm_predictor *predictor, const struct tpm_exit *exit);

/* What an access is to its core. */
struct tpm_event {
    const struct tpm_access *access;
    uint64_t address;
    uint64_t latency; /* of a load's value, or of a store's translation */
    uint32_t object, number;
    uint32_t lines;             /* that missed L2 */
    uint8_t answer, node_class; /* as in struct tpm_outcome */
};

/* A load that missed L2, or a store's or load's waiting, while an episode is open. */
void tpm_core_wait(struct tpm_core *core, const struct tpm_latencies *latencies, const struct tpm_run *run,
                   const struct tpm_event *event);
/* A fence or a locked update. */
void tpm_core_fence(struct tpm_core *core, const struct tpm_latencies *latencies, struct tpm_run *run,
                    const struct tpm_event *event);

static inline uint64_t tpm_core_ready(const struct tpm_core *core, const struct tpm_flows *flows,
                                      uint64_t least, uint64_t width) {
    for (uint32_t i = 0; i < flows->count; i++) {
        uint64_t ready = core->ready[flows->flow[i].source] + flows->flow[i].cycles * width;
        if (ready > least) least = ready;
    }
    return least;
}

static inline struct tpm_moment tpmi_moment(const struct tpm_core *core, const struct tpm_run *run) {
    return (struct tpm_moment){run->base + run->passed, core->now.instructions + run->passed};
}

/* The value that access `number` of the block loaded; those that share a number are one value. */
static inline void tpmi_core_loaded(struct tpm_core *core, uint32_t number, uint64_t ready) {
    uint32_t source = TPM_REGISTERS + (number < TPM_LOADS ? number : TPM_LOADS - 1);
    if (number < TPM_LOADS || core->ready[source] < ready) core->ready[source] = ready;
}

/* Any access but a fence or a locked update. */
static inline void tpm_core_access(struct tpm_core *core, const struct tpm_latencies *latencies,
                                   const struct tpm_run *run, const struct tpm_event *event) {
    const struct tpm_access *access = event->access;
    uint64_t start = tpm_core_ready(core, &access->address, run->base + run->passed, latencies->width);
    uint64_t done = start + event->latency;
    tpmi_core_loaded(core, event->number, done);
    if (done > core->retired) core->retired = done;
    if (core->episodes.n_misses != 0 || (event->answer > TPM_L2 && access->kind == TPM_LOAD))
        tpm_core_wait(core, latencies, run, event);
}

/* An access that did not happen: its value is there at once. */
void tpm_core_skip(struct tpm_core *core, const struct tpm_run *run, uint32_t number);

/* A conditional branch, the one at `exit`. */
void tpm_core_mispredict(struct tpm_core *core, const struct tpm_latencies *latencies, struct tpm_run *run,
                         const struct tpm_exit *exit);

static inline void tpm_core_branch(struct tpm_core *core, const struct tpm_latencies *latencies,
                                   struct tpm_predictor *predictor, struct tpm_run *run,
                                   const struct tpm_exit *exit, bool taken) {
    core->branches++;
    if (!tpm_predictor_branch(predictor, &core->history, exit, taken))
        tpm_core_mispredict(core, latencies, run, exit);
}

#endif
