/* tlb.h - the two data TLBs of a core: LRU, filled together on a walk.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_TLB_H
#define TPM_TLB_H

#include "config.h"
#include "sets.h"

enum tpm_translation {
    TPM_TLB_HIT = 0,    /* in the first TLB: free */
    TPM_TLB_SECOND = 1, /* in the second: tlb2_cycles */
    TPM_TLB_WALK = 2,   /* in neither: walk_cycles */
};

struct tpm_tlb {
    struct tpm_sets first, second;
    uint64_t first_mask; /* sets - 1: a power of two, by config.c */
    uint32_t page_bits;
};

bool tpm_tlb_new(struct tpm_tlb *tlb, const struct tpm_config *config, const struct tpm_host *host);
void tpm_tlb_free(struct tpm_tlb *tlb, const struct tpm_host *host);

/* Translates `page` (address >> page_bits); it is the most recent one in both TLBs that were asked. */
static inline enum tpm_translation tpm_tlb_translate(struct tpm_tlb *tlb, uint64_t page) {
    if (tpmi_number_use(&tlb->first, page)) return TPM_TLB_HIT;
    return tpmi_number_use(&tlb->second, page) ? TPM_TLB_SECOND : TPM_TLB_WALK;
}

/* Is the page of `address` the most recent of its set, so that translating it would change nothing? False
 * proves nothing. */
static inline bool tpmi_tlb_recent(const struct tpm_tlb *tlb, uint64_t address) {
    uint64_t page = address >> tlb->page_bits;
    return tlb->first.words[(page & tlb->first_mask) * tlb->first.stride] == page + 1;
}

#endif
