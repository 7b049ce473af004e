/* combine.h - non-temporal stores: they pass the caches and collect whole lines.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_COMBINE_H
#define TPM_COMBINE_H

#include "cache.h"

/* `bytes`: which of the line's 64 are stored, at least one. */
void tpm_combine_store(struct tpm_caches *caches, uint32_t core, uint64_t line, uint64_t bytes,
                       uint32_t object);

/* The collected line's number in the core's buffers; `open` when there is none. */
static inline uint32_t tpmi_combining_find(const struct tpm_combining *combining, uint64_t line) {
    uint32_t i = 0;
    while (i < combining->open && combining->line[i] != line)
        ++i;
    return i;
}

/* Writes the collected line to memory, full or not. */
void tpm_combine_write(struct tpm_caches *caches, uint32_t core, uint32_t number);

#endif
