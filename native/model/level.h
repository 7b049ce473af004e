/* level.h - one cache: sets of lines that remember their owner and whether they are dirty.
 *
 * A line is one 64-bit word: line / sets + 1 in the lower 37 bits, then 24 of its owner, then flags. With
 * addresses of 48 bits and 64 sets at least (config.c sees to it) the first always fits.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_LEVEL_H
#define TPM_LEVEL_H

#include "sets.h"

#define TPM_LINE_BITS 6
#define TPM_LINE_BYTES 64u
#define TPM_ADDRESS_BITS 48 /* higher bits are ignored */
#define TPM_LEAST_SETS 64u

#define TPM_TAG_BITS 37
#define TPM_TAG_MASK ((1ull << TPM_TAG_BITS) - 1)
#define TPM_OWNER_BITS 24
#define TPM_DIRTY_BIT (TPM_TAG_BITS + TPM_OWNER_BITS)
#define TPM_DIRTY (1ull << TPM_DIRTY_BIT)
/* A prefetch put the line here and no demand access has used it; and, only beside that, the prefetch went to
 * memory. */
#define TPM_PREFETCHED (2ull << TPM_DIRTY_BIT)
#define TPM_FROM_MEMORY (4ull << TPM_DIRTY_BIT)

/* `bytes` 0 makes a level of no sets, on which only tpm_sets_free may be called. False: no memory. */
static inline bool tpm_level_new(struct tpm_sets *level, uint64_t bytes, uint64_t ways, bool pseudo_lru,
                                 const struct tpm_host *host) {
    return tpm_sets_new(level, bytes / TPM_LINE_BYTES, (uint32_t)ways, pseudo_lru, host);
}

/* Where `line` is or would be. */
static inline struct tpm_place tpmi_level_place(const struct tpm_sets *level, uint64_t line) {
    uint64_t quotient = tpmi_quotient(level->divisor, line);
    uint64_t number = line - quotient * level->count;
    return (struct tpm_place){level->words + number * level->stride, quotient + 1, (uint32_t)number};
}

/* The line of a word that lay in set `number`. */
static inline uint64_t tpmi_level_line(const struct tpm_sets *level, uint32_t number, uint64_t word) {
    return ((word & TPM_TAG_MASK) - 1) * level->count + number;
}

static inline uint32_t tpmi_owner(uint64_t word) {
    return (uint32_t)(word >> TPM_TAG_BITS) & ((1u << TPM_OWNER_BITS) - 1);
}

static inline uint64_t tpmi_word(struct tpm_place at, uint32_t owner, uint64_t flags) {
    return at.key | (uint64_t)owner << TPM_TAG_BITS | flags;
}

static inline uint32_t tpmi_level_find(const struct tpm_sets *level, struct tpm_place at) {
    return tpmi_sets_find(level, at, TPM_TAG_MASK);
}

static inline uint64_t *tpmi_level_use(const struct tpm_sets *level, struct tpm_place at, bool *hit,
                                       uint64_t *victim) {
    return tpmi_sets_use(level, at, TPM_TAG_MASK, hit, victim);
}

/* Has the host fetch the set ahead of its use: L3's sets are more than its caches hold. */
static inline void tpmi_level_expect(const struct tpm_sets *level, struct tpm_place at) {
    for (uint32_t slot = 0; slot < level->stride; slot += 8)
        __builtin_prefetch(at.set + slot, 1);
    if (level->lists) __builtin_prefetch(level->lists + at.number, 1);
}

#endif
