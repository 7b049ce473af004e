/* moves.h - how lines move away from the cores: from L1 to L2, to L3, to memory. Used within the hierarchy
 * only.
 *
 * Inlined: every miss evicts.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_MOVES_H
#define TPM_MOVES_H

#include "cache.h"

static inline void tpmi_write_memory(struct tpm_caches *caches, uint64_t line, uint32_t owner) {
    bool new_block = tpm_buffers_write(&caches->buffers, line);
    if (caches->written) caches->written(caches->written_context, owner, new_block);
}

/* Marks the line dirty where it is, else puts it in. Returns the word that left for it, 0: none. */
static inline uint64_t tpmi_put(struct tpm_sets *level, struct tpm_place at, uint32_t owner) {
    uint32_t way = tpmi_level_find(level, at);
    if (way < level->ways) {
        at.set[way] = tpmi_word(at, owner, (at.set[way] & (TPM_PREFETCHED | TPM_FROM_MEMORY)) | TPM_DIRTY);
        return 0;
    }
    bool hit;
    uint64_t victim;
    *tpmi_level_use(level, at, &hit, &victim) = tpmi_word(at, owner, TPM_DIRTY);
    return victim;
}

/* A word left L3's set `number`. */
static inline void tpmi_leave_l3(struct tpm_caches *caches, uint32_t number, uint64_t word) {
    if (word & TPM_DIRTY)
        tpmi_write_memory(caches, tpmi_level_line(&caches->l3, number, word), tpmi_owner(word));
}

static inline void tpmi_put_l3(struct tpm_caches *caches, uint64_t line, uint32_t owner) {
    struct tpm_place at = tpmi_level_place(&caches->l3, line);
    tpmi_leave_l3(caches, at.number, tpmi_put(&caches->l3, at, owner));
}

static inline void tpmi_leave_l2(struct tpm_caches *caches, struct tpm_private *own, uint32_t number,
                                 uint64_t word) {
    if (word & TPM_DIRTY) tpmi_put_l3(caches, tpmi_level_line(&own->l2, number, word), tpmi_owner(word));
}

static inline void tpmi_leave_l1(struct tpm_caches *caches, struct tpm_private *own, uint32_t number,
                                 uint64_t word) {
    if (!(word & TPM_DIRTY)) return;
    uint64_t line = tpmi_level_line(&own->l1, number, word);
    if (own->l2.count == 0) {
        tpmi_put_l3(caches, line, tpmi_owner(word));
        return;
    }
    struct tpm_place at = tpmi_level_place(&own->l2, line);
    tpmi_leave_l2(caches, own, at.number, tpmi_put(&own->l2, at, tpmi_owner(word)));
}

#endif
