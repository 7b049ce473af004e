/* predictor.h - which branches the core guesses wrong: gshare for conditional ones, the last target for
 * computed ones.
 *
 * Gshare: McFarling, Combining Branch Predictors, WRL TN-36, 1993. A branch is known by its block's address
 * and its exit's number, never by where the decoder keeps it, so that runs can be repeated. Tables belong to
 * a core, history to a thread.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_PREDICTOR_H
#define TPM_PREDICTOR_H

#include "block.h"
#include "config.h"
#include "sim.h"

#define TPM_TARGET_BITS 12u

struct tpm_predictor {
    uint8_t *counters; /* two bits each, 2 and 3 say taken */
    uint64_t *targets;
    uint32_t bits; /* log2 of counters */
};

bool tpm_predictor_new(struct tpm_predictor *predictor, const struct tpm_config *config,
                       const struct tpm_host *host);
void tpm_predictor_free(struct tpm_predictor *predictor, const struct tpm_host *host);

static inline uint64_t tpm_branch_hash(const struct tpm_exit *exit) {
    return (exit->block->address + exit->index) * 0x9e3779b97f4a7c15ull;
}

/* Learns how a conditional branch went. Returns whether it was guessed right. */
static inline bool tpm_predictor_branch(struct tpm_predictor *predictor, uint64_t *history,
                                        const struct tpm_exit *exit, bool taken) {
    uint64_t index =
        (tpm_branch_hash(exit) >> (64 - predictor->bits)) ^ (*history & ((1ull << predictor->bits) - 1));
    uint8_t *counter = &predictor->counters[index], was = *counter;
    *history = *history << 1 | taken;
    *counter = (uint8_t)(taken ? was + (was < 3) : was - (was > 0));
    return (was >= 2) == taken;
}

/* Learns where the computed jump of this hash went. Returns whether it was where it went last. */
static inline bool tpm_predictor_target(struct tpm_predictor *predictor, uint64_t hash, uint64_t target) {
    uint64_t *last = &predictor->targets[hash >> (64 - TPM_TARGET_BITS)];
    bool right = *last == target;
    *last = target;
    return right;
}

#endif
