/* sets.c - makes and frees sets of words; the orders of use that are not on the path of every miss.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "sets.h"

#include "sim.h"

struct tpm_divisor tpm_divisor_of(uint64_t value) {
    /* floor((2^64 - 1) / value) + 1 is ceil(2^64 / value), for powers of two as well. */
    return (struct tpm_divisor){value, value > 1 ? UINT64_MAX / value + 1 : 0};
}

static size_t tpmi_words_bytes(const struct tpm_sets *sets) {
    return (size_t)sets->count * sets->stride * sizeof *sets->words;
}

bool tpm_sets_new(struct tpm_sets *sets, uint64_t entries, uint32_t ways, bool pseudo_lru,
                  const struct tpm_host *host) {
    *sets = (struct tpm_sets){0};
    if (entries == 0) return true;
    sets->count = (uint32_t)(entries / ways);
    sets->ways = ways;
    sets->stride = ways <= 4 ? 4 : ways <= 8 ? 8 : (ways + 15) / 16 * 16; /* as tpmi_alike looks at them */
    sets->divisor = tpm_divisor_of(sets->count);
    sets->words = host->get(tpmi_words_bytes(sets));
    if (pseudo_lru) {
        sets->trees = host->get(sets->count * sizeof *sets->trees);
        return sets->words && sets->trees;
    }
    if (ways < TPM_LEAST_LISTED_WAYS || ways > TPM_MOST_LISTED_WAYS) return sets->words != NULL;
    for (uint64_t slot = 1; slot < ways; ++slot)
        sets->fresh_list |= slot << 4 * (slot - 1);
    sets->last_shift = 4 * (ways - 2);
    sets->list_mask = UINT64_MAX >> (60 - sets->last_shift);
    sets->lists = host->get(sets->count * sizeof *sets->lists);
    return sets->words && sets->lists;
}

void tpm_sets_free(struct tpm_sets *sets, const struct tpm_host *host) {
    if (sets->words) host->put(sets->words, tpmi_words_bytes(sets));
    if (sets->lists) host->put(sets->lists, sets->count * sizeof *sets->lists);
    if (sets->trees) host->put(sets->trees, sets->count * sizeof *sets->trees);
    *sets = (struct tpm_sets){0};
}

/* The slots are the leaves `ways` .. 2 * ways - 1 of a tree whose node n has the children 2n and 2n + 1. */
static uint32_t tpmi_tree_oldest(uint32_t tree, uint32_t ways) {
    uint32_t node = 1;
    while (node < ways)
        node = 2 * node + (tree >> node & 1);
    return node - ways;
}

static uint32_t tpmi_tree_used(uint32_t tree, uint32_t ways, uint32_t slot) {
    for (uint32_t node = ways + slot; node > 1; node /= 2) {
        uint32_t parent = 1u << node / 2;
        tree = node & 1 ? tree & ~parent : tree | parent; /* the other child is the older one now */
    }
    return tree;
}

uint64_t *tpmi_tree_promote(const struct tpm_sets *sets, struct tpm_place at, uint32_t slot) {
    uint32_t *tree = &sets->trees[at.number];
    *tree = tpmi_tree_used(*tree, sets->ways, slot);
    return &at.set[slot];
}

uint64_t *tpmi_tree_insert(const struct tpm_sets *sets, struct tpm_place at, uint64_t *victim) {
    uint32_t slot = 0;
    while (slot < sets->ways && at.set[slot])
        ++slot;
    if (slot == sets->ways) slot = tpmi_tree_oldest(sets->trees[at.number], sets->ways);
    *victim = at.set[slot];
    return tpmi_tree_promote(sets, at, slot);
}

/* The list's first slot takes the place of slot 0, unless it is slot 0 that stays; the emptied one goes to
 * the list's end. */
static void tpmi_remove_listed(const struct tpm_sets *sets, struct tpm_place at, uint32_t slot) {
    uint64_t list = sets->lists[at.number] ^ sets->fresh_list;
    if (slot == 0) {
        slot = list & 15;
        at.set[0] = at.set[slot];
    }
    at.set[slot] = 0;
    uint32_t shift = tpmi_list_find(list, slot);
    uint64_t before = list & ((1ull << shift) - 1), behind = list >> shift >> 4 << shift;
    sets->lists[at.number] = (before | behind | (uint64_t)slot << sets->last_shift) ^ sets->fresh_list;
}

void tpmi_sets_remove(const struct tpm_sets *sets, struct tpm_place at, uint32_t slot) {
    if (sets->lists) {
        tpmi_remove_listed(sets, at, slot);
        return;
    }
    if (!sets->trees)
        for (; slot + 1 < sets->ways; ++slot)
            at.set[slot] = at.set[slot + 1];
    at.set[slot] = 0;
}
