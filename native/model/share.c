/* share.c - invalidation and hand-over between cores.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "share.h"

#include "moves.h"

static uint64_t tpmi_bit_of(uint32_t core) {
    return 1ull << core % 64;
}

static uint32_t tpmi_entry_of(uint64_t line) {
    return (uint32_t)((line >> TPM_PAGE_LINES_BITS) * 0x9e3779b97f4a7c15u >> 48);
}

/* The copy in one level: takes it, or makes it clean. True if it was dirty. */
static bool tpmi_call_in(struct tpm_sets *level, uint64_t line, bool take, uint32_t *owner) {
    if (level->count == 0) return false;
    struct tpm_place at = tpmi_level_place(level, line);
    uint32_t way = tpmi_level_find(level, at);
    if (way == level->ways) return false;
    uint64_t word = at.set[way];
    if (take)
        tpmi_sets_remove(level, at, way);
    else
        at.set[way] &= ~TPM_DIRTY;
    *owner = tpmi_owner(word);
    return word & TPM_DIRTY;
}

/* Both levels of one core; the copy in L1 is the newer one. */
static bool tpmi_call_in_both(struct tpm_private *own, uint64_t line, bool take, uint32_t *owner) {
    uint32_t in_l2, in_l1;
    bool l2_dirty = tpmi_call_in(&own->l2, line, take, &in_l2);
    bool l1_dirty = tpmi_call_in(&own->l1, line, take, &in_l1);
    if (l1_dirty || l2_dirty) *owner = l1_dirty ? in_l1 : in_l2;
    return l1_dirty || l2_dirty;
}

bool tpm_private_take(struct tpm_private *own, uint64_t line, uint32_t *owner) {
    return tpmi_call_in_both(own, line, true, owner);
}

/* Asks the cores of `among`, but for `core`. */
static void tpmi_call_in_others(struct tpm_caches *caches, uint32_t core, uint64_t line, uint64_t among,
                                bool take) {
    for (uint32_t other = 0; other < caches->config.cores; ++other) {
        uint32_t owner;
        if (other == core || !(among & tpmi_bit_of(other))) continue;
        if (tpmi_call_in_both(&caches->own[other], line, take, &owner)) tpmi_put_l3(caches, line, owner);
    }
}

/* With more than 64 cores those of one bit cannot be told apart: its bit alone proves nothing then. */
static uint64_t tpmi_others(const struct tpm_caches *caches, uint32_t core, uint64_t among) {
    return caches->config.cores > 64 ? among : among & ~tpmi_bit_of(core);
}

/* Notes all that `core` holds. */
static void tpmi_note_lines(struct tpm_caches *caches, uint32_t core, const struct tpm_sets *level) {
    for (uint32_t set = 0; set < level->count; ++set)
        for (uint32_t slot = 0; slot < level->ways; ++slot) {
            uint64_t word = level->words[(uint64_t)set * level->stride + slot];
            if (!word) continue;
            uint32_t entry = tpmi_entry_of(tpmi_level_line(level, set, word));
            caches->sharing->entry[entry].readers |= tpmi_bit_of(core);
            if (word & TPM_DIRTY) caches->sharing->entry[entry].writers |= tpmi_bit_of(core);
        }
}

/* True: no core but this one has fetched anything so far. */
static bool tpmi_is_alone(struct tpm_caches *caches, uint32_t core) {
    struct tpm_sharing *sharing = caches->sharing;
    if (sharing->several) return false;
    if (sharing->alone == 0) sharing->alone = core + 1;
    if (sharing->alone == core + 1) return true;
    sharing->several = true;
    tpmi_note_lines(caches, sharing->alone - 1, &caches->own[sharing->alone - 1].l1);
    tpmi_note_lines(caches, sharing->alone - 1, &caches->own[sharing->alone - 1].l2);
    return false;
}

void tpm_share_read(struct tpm_caches *caches, uint32_t core, uint64_t line) {
    if (!caches->sharing || tpmi_is_alone(caches, core)) return;
    uint32_t entry = tpmi_entry_of(line);
    uint64_t writers = tpmi_others(caches, core, caches->sharing->entry[entry].writers);
    if (writers) tpmi_call_in_others(caches, core, line, writers, false);
    caches->sharing->entry[entry].readers |= tpmi_bit_of(core);
}

void tpm_share_write(struct tpm_caches *caches, uint32_t core, uint64_t line) {
    if (!caches->sharing || tpmi_is_alone(caches, core)) return;
    uint32_t entry = tpmi_entry_of(line);
    uint64_t readers = tpmi_others(caches, core, caches->sharing->entry[entry].readers);
    if (readers) tpmi_call_in_others(caches, core, line, readers, true);
    caches->sharing->entry[entry].readers |= tpmi_bit_of(core);
    caches->sharing->entry[entry].writers |= tpmi_bit_of(core);
}
