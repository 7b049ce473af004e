/* objects.c - see objects.h. Ranges are linked by address, and found by a zip tree (Tarjan, Levy, Timmel: Zip
 * Trees, ACM TALG 2021): a binary search tree whose shape depends on the keys alone, so it needs no balancing
 * and no memory for it; a rank is a hash of the key.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "objects.h"

#include "../common/check.h"

/* Deeper than allocators nest. Only claims that overlap, which no allocator makes, can reach it. */
enum { TPMI_MOST_CLAIMS = 16 };

static unsigned tpmi_rank(uint64_t first) {
    uint64_t hash = (first ^ first >> 33) * 0x9e3779b97f4a7c15ull;
    return (unsigned)__builtin_ctzll(hash >> 20 | 1ull << 43);
}

/* Does `a` stand above `b` in the tree? */
static bool tpmi_above(const struct tpm_range *a, const struct tpm_range *b) {
    unsigned rank_a = tpmi_rank(a->first), rank_b = tpmi_rank(b->first);
    return rank_a != rank_b ? rank_a > rank_b : a->first < b->first;
}

static void tpmi_insert(struct tpm_objects *objects, struct tpm_range *range) {
    struct tpm_range **place = &objects->root;
    while (*place != NULL && tpmi_above(*place, range))
        place = range->first < (*place)->first ? &(*place)->left : &(*place)->right;
    struct tpm_range *below = *place, **left = &range->left, **right = &range->right;
    *place = range;
    while (below != NULL) {
        if (below->first < range->first) {
            *left = below;
            left = &below->right;
            below = below->right;
        } else {
            *right = below;
            right = &below->left;
            below = below->left;
        }
    }
    *left = *right = NULL;
}

static void tpmi_remove(struct tpm_objects *objects, const struct tpm_range *range) {
    struct tpm_range **place = &objects->root;
    while (*place != range)
        place = range->first < (*place)->first ? &(*place)->left : &(*place)->right;
    struct tpm_range *left = range->left, *right = range->right;
    while (left != NULL && right != NULL) {
        if (tpmi_above(left, right)) {
            *place = left;
            place = &left->right;
            left = left->right;
        } else {
            *place = right;
            place = &right->left;
            right = right->left;
        }
    }
    *place = left != NULL ? left : right;
}

static void tpmi_unuse(struct tpm_objects *objects, struct tpm_claim *claim) {
    while (claim != objects->nobody && --claim->users == 0) {
        struct tpm_claim *around = claim->around;
        if (claim->heat != NULL) claim->heat->users--;
        tpm_pool_give(&objects->claims, claim);
        claim = around;
    }
}

static void tpmi_hand_over(struct tpm_objects *objects, struct tpm_range *range, struct tpm_claim *owner) {
    struct tpm_claim *former = range->owner;
    owner->users++;
    range->owner = owner;
    range->object = owner->object;
    tpmi_unuse(objects, former);
}

/* The range that begins at `address`, cut from the one that holds it if need be. NULL: no memory. */
static struct tpm_range *tpmi_cut(struct tpm_objects *objects, uint64_t address) {
    struct tpm_range *whole = tpm_objects_find(objects, address);
    if (whole->first == address) return whole;
    struct tpm_range *part = tpm_pool_take(&objects->ranges);
    if (part == NULL) return NULL;
    part->first = address;
    part->span = whole->span - (address - whole->first);
    whole->span = address - whole->first - 1;
    part->owner = whole->owner;
    part->object = whole->object;
    part->owner->users++;
    part->before = whole;
    part->after = whole->after;
    if (part->after != NULL) part->after->before = part;
    whole->after = part;
    tpmi_insert(objects, part);
    return part;
}

/* Joins `range` to the one before it if they have the same owner; returns the one that lives. */
static struct tpm_range *tpmi_join(struct tpm_objects *objects, struct tpm_range *range) {
    struct tpm_range *before = range->before;
    if (before == NULL || before->owner != range->owner) return range;
    before->span += range->span + 1;
    before->after = range->after;
    if (before->after != NULL) before->after->before = before;
    range->owner->users--;
    tpmi_remove(objects, range);
    /* A range whose generations are used up could be taken for an older one: it is not used again. */
    if (++range->generation != 0) tpm_pool_give(&objects->ranges, range);
    return before;
}

/* Joins what can be joined from `range` on up to the range after the one that holds `last`. */
static void tpmi_tidy(struct tpm_objects *objects, struct tpm_range *range, uint64_t last) {
    while (range != NULL) {
        bool end = range->first > last;
        range = tpmi_join(objects, range)->after;
        if (end) break;
    }
}

static uint64_t tpmi_last(uint64_t address, uint64_t bytes) {
    return bytes - 1 > UINT64_MAX - address ? UINT64_MAX : address + bytes - 1;
}

static bool tpmi_within(const struct tpm_claim *claim, uint64_t first, uint64_t last) {
    return claim->first >= first && claim->last <= last;
}

/* The innermost claim on `range` that [first, last] does not cover whole. */
static struct tpm_claim *tpmi_around(const struct tpm_objects *objects, const struct tpm_range *range,
                                     uint64_t first, uint64_t last) {
    struct tpm_claim *claim = range->owner;
    while (claim != objects->nobody && tpmi_within(claim, first, last))
        claim = claim->around;
    return claim;
}

/* The owner of `range` when [first, last] is released. */
static struct tpm_claim *tpmi_after_release(const struct tpm_objects *objects, const struct tpm_range *range,
                                            uint64_t first, uint64_t last) {
    struct tpm_claim *claim = range->owner;
    for (bool exact = false; claim != objects->nobody && !exact; claim = claim->around) {
        exact = claim->first == first && claim->last == last;
        if (!tpmi_within(claim, first, last)) return claim->around;
    }
    return claim;
}

/* Cuts [first, last] out: returns its first range, NULL if there is no memory. */
static struct tpm_range *tpmi_cut_out(struct tpm_objects *objects, uint64_t first, uint64_t last) {
    struct tpm_range *begin = tpmi_cut(objects, first);
    if (begin == NULL) return NULL;
    if (last != UINT64_MAX && tpmi_cut(objects, last + 1) == NULL) {
        tpmi_join(objects, begin);
        return NULL;
    }
    return begin;
}

/* Gives the claims that own [begin, last] a lane; those that they covered have given theirs back. */
static void tpmi_share_lane(struct tpm_range *begin, uint64_t last, struct tpm_heat *heat) {
    for (struct tpm_range *range = begin; heat != NULL && range != NULL && range->first <= last;
         range = range->after) {
        if (range->owner->heat != NULL) continue;
        range->owner->heat = heat;
        range->owner->counts = heat->counts;
        range->owner->shift = heat->shift;
        heat->users++;
    }
}

bool tpm_objects_claim(struct tpm_objects *objects, uint64_t address, uint64_t bytes, uint32_t object) {
    if (bytes == 0) return true;
    uint64_t last = tpmi_last(address, bytes);
    struct tpm_range *begin = tpmi_cut_out(objects, address, last);
    struct tpm_claim *claim = NULL, *around = NULL;
    bool done = begin != NULL;
    for (struct tpm_range *range = begin; done && range != NULL && range->first <= last;
         range = range->after) {
        struct tpm_claim *its = tpmi_around(objects, range, address, last);
        if (its->depth >= TPMI_MOST_CLAIMS) its = its->around;
        if (claim == NULL || its != around) { /* one claim for all ranges that lay in one: they join */
            claim = tpm_pool_take(&objects->claims);
            if (claim == NULL) {
                done = false;
                break;
            }
            around = its;
            around->users++;
            *claim = (struct tpm_claim){.around = around, .first = address, .last = last, .object = object};
            claim->depth = around->depth + 1;
        }
        tpmi_hand_over(objects, range, claim);
    }
    if (begin != NULL) tpmi_tidy(objects, begin, last);
    if (done) tpmi_share_lane(begin, last, tpm_heats_lane(objects->heats, object, bytes));
    return done;
}

bool tpm_objects_release(struct tpm_objects *objects, uint64_t address, uint64_t bytes) {
    if (bytes == 0) return true;
    uint64_t last = tpmi_last(address, bytes);
    struct tpm_range *begin = tpmi_cut_out(objects, address, last);
    if (begin == NULL) return false;
    for (struct tpm_range *range = begin; range != NULL && range->first <= last; range = range->after) {
        struct tpm_claim *owner = tpmi_after_release(objects, range, address, last);
        if (owner != range->owner) tpmi_hand_over(objects, range, owner);
    }
    tpmi_tidy(objects, begin, last);
    return true;
}

struct tpm_range *tpm_objects_find(struct tpm_objects *objects, uint64_t address) {
    struct tpm_found *found = &objects->found[address >> 12 & ((1u << TPM_FOUND_BITS) - 1)];
    struct tpm_range *range = found->range;
    if (range != NULL && range->generation == found->generation && address - range->first <= range->span)
        return range;
    struct tpm_range *best = NULL;
    for (range = objects->root; range != NULL;) {
        if (range->first <= address) {
            best = range;
            if (address - range->first <= range->span) break;
            range = range->right;
        } else {
            range = range->left;
        }
    }
    TP_CHECK(best != NULL && address - best->first <= best->span);
    found->range = best;
    found->generation = best->generation;
    return best;
}

bool tpm_objects_init(struct tpm_objects *objects, struct tpm_heats *heats, const struct tpm_host *host) {
    objects->heats = heats;
    tpm_pool_init(&objects->ranges, host, sizeof(struct tpm_range));
    tpm_pool_init(&objects->claims, host, sizeof(struct tpm_claim));
    objects->root = tpm_pool_take(&objects->ranges);
    objects->nobody = tpm_pool_take(&objects->claims);
    if (objects->root == NULL || objects->nobody == NULL) return false;
    *objects->nobody = (struct tpm_claim){.last = UINT64_MAX, .object = TPM_OBJECT_UNKNOWN, .users = 1};
    *objects->root =
        (struct tpm_range){.span = UINT64_MAX, .object = TPM_OBJECT_UNKNOWN, .owner = objects->nobody};
    return true;
}

void tpm_objects_end(struct tpm_objects *objects) {
    tpm_pool_end(&objects->ranges);
    tpm_pool_end(&objects->claims);
}
