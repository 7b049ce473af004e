/* heat.h - where in large allocations the accesses fall: counted by granule, every one.
 *
 * Allocations of one object and size that follow each other are counted together, as if they lay on top of
 * each other; of those that live at the same time each has a lane of its own, the lowest that is free when it
 * is claimed. A lane has at most TPM_HEAT_MOST granules, of a line each or as many lines as it takes; and at
 * most a sixteenth of the granules that are left of TPM_HEAT_ALL, so that memory is bounded: who comes late
 * is counted more coarsely, and who would get fewer than TPM_HEAT_LEAST is not counted.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_HEAT_H
#define TPM_HEAT_H

#include "block.h"
#include "output.h"
#include "pool.h"

#define TPM_HEAT_LINE_BITS 6u
#define TPM_HEAT_MOST (1u << 18)
#define TPM_HEAT_LEAST (1u << 8)
#define TPM_HEAT_ALL (1u << 24)
#define TPM_HEAT_BUCKETS (1u << 12)

/* One lane. Before a count reaches 2^32, all of the lane are written and begin anew. */
struct tpm_heat {
    struct tpm_heat *next; /* of the bucket */
    uint64_t *counts;      /* of each granule: reads in the lower half, writes in the upper */
    uint32_t *misses;      /* of each granule: lines that these fetched from memory */
    uint64_t bytes;        /* of the allocations */
    uint32_t object, lane;
    uint32_t shift; /* log2 of a granule's bytes */
    uint32_t users; /* claims of the allocation that has it; 0: free */
};

struct tpm_heats {
    const struct tpm_host *host;
    struct tpm_output *output;
    struct tpm_pool lanes;
    uint64_t least_bytes; /* 0: nothing is counted */
    uint64_t room;        /* granules that may still be had */
    uint64_t left_out;    /* allocations that are not counted */
    double weight;        /* of what is counted now */
    struct tpm_heat *bucket[TPM_HEAT_BUCKETS];
};

void tpm_heats_init(struct tpm_heats *heats, uint64_t least_bytes, const struct tpm_host *host,
                    struct tpm_output *output);
void tpm_heats_end(struct tpm_heats *heats);

/* The lane of an allocation that is claimed, for as long as it has users. NULL: it is too small, or there is
 * no room. */
struct tpm_heat *tpm_heats_lane(struct tpm_heats *heats, uint32_t object, uint64_t bytes);

/* What is counted from now on has this weight. */
void tpm_heats_weigh(struct tpm_heats *heats, double weight);

/* Writes all counts (unless `drop`), and begins anew. */
void tpm_heats_write(struct tpm_heats *heats, bool drop);

/* The same for one lane. */
void tpm_heat_write(struct tpm_heats *heats, struct tpm_heat *heat, bool drop);

/* What an access adds to its granule's count. Prefetches and fences are none. */
static inline uint64_t tpm_heat_amount(enum tpm_kind kind) {
    static const uint64_t amounts[] = {
        [TPM_LOAD] = 1,
        [TPM_STORE] = 1ull << 32,
        [TPM_UPDATE] = 1ull << 32 | 1,
        [TPM_STORE_NT] = 1ull << 32,
        [TPM_PREFETCH] = 0,
        [TPM_FENCE] = 0,
    };
    return amounts[kind];
}

/* Has one of the halves reached 2^31? */
static inline bool tpm_heat_full(uint64_t count) {
    return (count & (1ull << 63 | 1ull << 31)) != 0;
}

#endif
