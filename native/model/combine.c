/* combine.c - the buffers that collect non-temporal stores.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "combine.h"

#include "moves.h"
#include "share.h"

/* A non-temporal store finds no copy in any cache: dirty ones are written first, as the line may be stored in
 * part only. */
static void tpmi_clear_caches(struct tpm_caches *caches, uint32_t core, uint64_t line) {
    uint32_t owner;
    tpm_share_write(caches, core, line);
    bool dirty = tpm_private_take(&caches->own[core], line, &owner);
    struct tpm_place at = tpmi_level_place(&caches->l3, line);
    uint32_t way = tpmi_level_find(&caches->l3, at);
    if (way < caches->l3.ways) {
        uint64_t word = at.set[way];
        if (!dirty) owner = tpmi_owner(word);
        dirty = dirty || word & TPM_DIRTY;
        tpmi_sets_remove(&caches->l3, at, way);
    }
    if (dirty) tpmi_write_memory(caches, line, owner);
}

void tpm_combine_write(struct tpm_caches *caches, uint32_t core, uint32_t number) {
    struct tpm_combining *combining = &caches->own[core].combining;
    uint64_t line = combining->line[number];
    uint32_t owner = combining->owner[number];
    --combining->open;
    for (uint32_t i = number; i < combining->open; ++i) {
        combining->line[i] = combining->line[i + 1];
        combining->bytes[i] = combining->bytes[i + 1];
        combining->owner[i] = combining->owner[i + 1];
    }
    tpmi_write_memory(caches, line, owner);
}

void tpm_combine_store(struct tpm_caches *caches, uint32_t core, uint64_t line, uint64_t bytes,
                       uint32_t object) {
    struct tpm_combining *combining = &caches->own[core].combining;
    uint32_t at = tpmi_combining_find(combining, line);
    if (at == combining->open) {
        tpmi_clear_caches(caches, core, line);
        if (combining->open == caches->config.miss_buffers) tpm_combine_write(caches, core, 0);
        at = combining->open++;
        combining->line[at] = line;
        combining->bytes[at] = 0;
        combining->owner[at] = object;
    }
    combining->bytes[at] |= bytes;
    if (combining->bytes[at] == UINT64_MAX) tpm_combine_write(caches, core, at);
}
