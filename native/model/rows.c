/* rows.c - see rows.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "rows.h"

static size_t tpmi_page_bytes(void) {
    return sizeof(struct tpm_row *) << TPM_ROW_PAGE_BITS;
}

void tpm_rows_free(struct tpm_rows *rows) {
    for (uint32_t i = 0; i < TPM_ROW_PAGES; i++) {
        if (rows->page[i] != NULL) rows->host->put(rows->page[i], tpmi_page_bytes());
        rows->page[i] = NULL;
    }
}

struct tpm_row *tpmi_rows_add(struct tpm_rows *rows, uint32_t object) {
    struct tpm_row ***page = &rows->page[object >> TPM_ROW_PAGE_BITS];
    if (*page == NULL) *page = rows->host->get(tpmi_page_bytes());
    struct tpm_row *row = *page == NULL ? NULL : tpm_pool_take(rows->pool);
    if (row == NULL) return rows->spare;
    *row = (struct tpm_row){.count.object = object, .next = rows->touched};
    rows->touched = row;
    (*page)[object & ((1u << TPM_ROW_PAGE_BITS) - 1)] = row;
    return row;
}

struct tpx_object tpm_rows_sum(const struct tpm_rows *rows) {
    struct tpx_object sum = {0};
    for (const struct tpm_row *row = rows->touched; row != NULL; row = row->next) {
        sum.loads += row->count.loads;
        sum.stores += row->count.stores;
        sum.nt_stores += row->count.nt_stores;
        sum.tlb1_misses += row->count.tlb1_misses;
        sum.walks += row->count.walks;
    }
    return sum;
}

void tpm_rows_end(struct tpm_rows *rows, uint32_t thread, struct tpm_output *output) {
    for (struct tpm_row *row = rows->touched, *next; row != NULL; row = next) {
        next = row->next;
        uint32_t object = row->count.object;
        row->count.thread = thread;
        if (output != NULL) tpm_output_record(output, TPX_OBJECT, &row->count, sizeof row->count, NULL, 0);
        rows->page[object >> TPM_ROW_PAGE_BITS][object & ((1u << TPM_ROW_PAGE_BITS) - 1)] = NULL;
        tpm_pool_give(rows->pool, row);
    }
    rows->touched = NULL;
}

void tpm_row_outcome(struct tpx_object *row, enum tpm_kind kind, const struct tpm_outcome *outcome) {
    row->l1_misses += outcome->l1_misses;
    row->l2_misses += outcome->l2_misses;
    row->l3_hits += outcome->by_class[TPX_L3];
    if (kind == TPM_STORE) {
        row->rfo_lines +=
            outcome->by_class[TPX_NEAR] + outcome->by_class[TPX_MID] + outcome->by_class[TPX_FAR];
    } else {
        row->near_loads += outcome->by_class[TPX_NEAR];
        row->mid_loads += outcome->by_class[TPX_MID];
        row->far_loads += outcome->by_class[TPX_FAR];
    }
    row->prefetched_lines += outcome->prefetched_lines;
    row->prefetched_used += outcome->prefetched_used;
    row->read_blocks += outcome->read_blocks;
    row->tlb1_misses += outcome->tlb1_misses;
    row->walks += outcome->walks;
}
