/* rows.h - what one thread did to each object in the slice that is open.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_ROWS_H
#define TPM_ROWS_H

#include "cache.h"
#include "output.h"
#include "pool.h"

#define TPM_ROW_PAGE_BITS 12u /* objects a page of the table */
#define TPM_ROW_PAGES (TPM_OBJECTS >> TPM_ROW_PAGE_BITS)

struct tpm_row {
    struct tpx_object count;
    struct tpm_row *next; /* touched before it */
};

struct tpm_rows {
    struct tpm_row **page[TPM_ROW_PAGES]; /* NULL: none of its objects was ever touched */
    struct tpm_row *touched;              /* in this slice, the latest first */
    struct tpm_pool *pool;                /* of struct tpm_row, shared by all threads */
    struct tpm_row *spare;                /* counts nothing: what is used when there is no memory */
    const struct tpm_host *host;
};

void tpm_rows_free(struct tpm_rows *rows);

struct tpm_row *tpmi_rows_add(struct tpm_rows *rows, uint32_t object);

/* The object's row. */
static inline struct tpx_object *tpm_rows_at(struct tpm_rows *rows, uint32_t object) {
    struct tpm_row **page = rows->page[object >> TPM_ROW_PAGE_BITS], *row = NULL;
    if (__builtin_expect(page != NULL, 1)) row = page[object & ((1u << TPM_ROW_PAGE_BITS) - 1)];
    if (__builtin_expect(row == NULL, 0)) row = tpmi_rows_add(rows, object);
    return &row->count;
}

/* Adds all rows up. */
struct tpx_object tpm_rows_sum(const struct tpm_rows *rows);

/* Writes all rows as `thread`'s (unless `output` is NULL), and forgets them. */
void tpm_rows_end(struct tpm_rows *rows, uint32_t thread, struct tpm_output *output);

/* Counts an access that is one, and not a prefetch or a fence. */
static inline void tpm_row_access(struct tpx_object *row, const struct tpm_access *access) {
    if (access->kind == TPM_LOAD) {
        row->loads++;
        row->load_bytes += access->bytes;
    } else if (access->kind == TPM_STORE) {
        row->stores++;
        row->store_bytes += access->bytes;
    } else if (access->kind == TPM_UPDATE) {
        row->loads++;
        row->stores++;
        row->load_bytes += access->bytes;
        row->store_bytes += access->bytes;
    } else if (access->kind == TPM_STORE_NT) {
        row->nt_stores++;
        row->store_bytes += access->bytes;
    }
}

/* Counts what came of an access. A locked update waits for its line as a load does, and counts as one. */
void tpm_row_outcome(struct tpx_object *row, enum tpm_kind kind, const struct tpm_outcome *outcome);

#endif
