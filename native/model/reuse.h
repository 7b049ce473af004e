/* reuse.h - how far apart uses of the same granule are, in distinct granules between them: what an LRU memory
 * of any size in front of the capacity tier would hit.
 *
 * SHARDS (Waldspurger et al., FAST 2015): granules are sampled by a hash of their number, so that all uses of
 * one are seen or none; distances among the sampled ones are exact, and are scaled up by the sampling rate in
 * force. When too many granules are tracked the rate halves, so memory is bounded. Each use counts as 1 /
 * rate uses.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_REUSE_H
#define TPM_REUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "exactfile.h"

struct tpm_host;

struct tpm_reuse; /* reuse.c; it begins with a tpm_sample */

#define TPM_REUSE_TRACKED (1u << 16) /* granules that are tracked at most */
#define TPM_REUSE_OBJECTS (1u << 16) /* objects with a histogram; more share that of TPM_OBJECT_UNKNOWN */

/* `every`: one granule in so many; at least 1. NULL: no memory. */
struct tpm_reuse *tpm_reuse_new(uint32_t granule_bytes, uint64_t every, uint64_t seed,
                                const struct tpm_host *host);
void tpm_reuse_free(struct tpm_reuse *reuse);

/* `object` uses `granule` (its address / granule_bytes). Unless `counted`, it is remembered and nothing else.
 */
void tpm_reuse_touch(struct tpm_reuse *reuse, uint64_t granule, uint32_t object, bool counted);

/* Which granules are sampled: those the upper half of whose hash is below the threshold; 2^32 takes all. */
struct tpm_sample {
    uint64_t seed, threshold;
};

/* The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */
static inline uint64_t tpmi_hash(uint64_t number) {
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
    number = (number ^ number >> 27) * 0x94d049bb133111ebu;
    return number ^ number >> 31;
}

static inline uint64_t tpmi_granule_hash(const struct tpm_sample *sample, uint64_t granule) {
    return tpmi_hash(granule + sample->seed);
}

/* Would tpm_reuse_touch do anything? Most granules are not sampled, and need not be handed to it. */
static inline bool tpmi_reuse_samples(const struct tpm_reuse *reuse, uint64_t granule) {
    const struct tpm_sample *sample = (const struct tpm_sample *)reuse;
    return tpmi_granule_hash(sample, granule) >> 32 < sample->threshold;
}

/* The histograms, one an object, in the order of the objects' first counted uses. A distance is the number of
 * distinct granules used since, itself included: an LRU memory of that many granules just hits. */
uint32_t tpm_reuse_count(const struct tpm_reuse *reuse);
const struct tpx_reuse *tpm_reuse_histogram(const struct tpm_reuse *reuse, uint32_t index);

#endif
