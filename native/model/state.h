/* state.h - all that a simulator consists of; for sim.c, feed.c and slices.c alone.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_STATE_H
#define TPM_STATE_H

#include "core.h"
#include "objects.h"
#include "rows.h"

/* Thread numbers from here on share a state. */
#define TPM_THREADS 4096u

struct tpm_thread {
    uint32_t number, core;
    uint32_t missing;      /* not 0: loads have lately gone beyond L2 (feed.c) */
    uint64_t instructions; /* in this slice */
    uint64_t fences;       /* likewise */
    struct tpm_rows rows;
    struct tpm_core model; /* timing only */
};

struct tpm_sim {
    struct tpm_config config;
    struct tpm_host host;
    struct tpm_latencies latencies;
    struct tpm_output output;
    struct tpm_caches *caches;
    struct tpm_heats heats;
    struct tpm_objects objects;
    struct tpm_pool rows;
    struct tpm_row spare;
    struct tpm_predictor *predictors; /* one a core */
    struct tpm_chains *chains;
    uint64_t folded;
    enum tpm_mode mode;
    double weight;
    uint64_t instructions, measured;
    struct {
        uint64_t first, instructions, length; /* length: the slice ends when it has so many */
        uint32_t count;                       /* of that length */
    } slice;
    bool no_memory;
    uint32_t n_threads;
    struct tpm_thread *running;
    struct tpm_thread *order[TPM_THREADS]; /* as they came */
    struct tpm_thread *thread[TPM_THREADS];
};

/* Counting begins afresh: the open slice has nothing yet. */
void tpm_slice_begin(struct tpm_sim *sim);

/* Writes the open slice with all that belongs to it, if anything was measured in it; the next one begins. */
void tpm_slice_end(struct tpm_sim *sim);

#endif
