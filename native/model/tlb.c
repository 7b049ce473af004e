/* tlb.c - the two data TLBs.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "tlb.h"

#include "sim.h"

bool tpm_tlb_new(struct tpm_tlb *tlb, const struct tpm_config *config, const struct tpm_host *host) {
    tlb->page_bits = config->page_bytes == 4096 ? 12 : 21;
    bool first = tpm_sets_new(&tlb->first, config->tlb1_entries, (uint32_t)config->tlb1_ways, false, host);
    bool second = tpm_sets_new(&tlb->second, config->tlb2_entries, (uint32_t)config->tlb2_ways, false, host);
    tlb->first_mask = tlb->first.count - 1;
    return first && second;
}

void tpm_tlb_free(struct tpm_tlb *tlb, const struct tpm_host *host) {
    tpm_sets_free(&tlb->first, host);
    tpm_sets_free(&tlb->second, host);
}
