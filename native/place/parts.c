/* parts.c - objects of sites with parts: one range of addresses, put together from pages of several tiers.
 *
 * A fresh private mapping of the whole size comes first, so that the address space is the object's. Then each
 * range becomes memory of its tier before the program sees it: in place where tiers differ by policy, by
 * pages of the tier's own over it where they are a file's. Nothing is copied, and a tier is asked for its
 * range alone: so budgets hold, and what a tier has no room for spills range by range.
 */
#include "../shim/busy.h"
#include "../shim/pagemap.h"
#include "assigned.h"
#include "held.h"
#include "pages.h"
#include "place.h"
#include "ranges.h"
#include "slices.h"
#include "torn.h"

unsigned tp_place_parts_of(uint64_t key_hi, uint64_t key_lo) {
    const struct tpi_plan *plan = tpi_current_plan();
    unsigned first, count = plan != NULL ? tpi_plan_parts_of(plan, key_hi, key_lo, &first) : 0;
    return count > 0 ? first + 1 : 0;
}

/* A move since has given all of the site's objects to one tier. */
static bool tpi_overridden(unsigned parts) {
    const struct tp_plan_part *part = &tpi_current_plan()->parts[parts - 1];
    unsigned tier;
    return tpi_assigned(part->key_hi, part->key_lo, &tier);
}

bool tp_place_splits(unsigned parts, size_t size, unsigned *index) {
    struct tpi_range range;
    if (size == 0 || size > TPI_LARGEST || tpi_overridden(parts)) return false;
    struct tpi_ranges ranges = tpi_ranges_of(parts, *index, size);
    if (!tpi_ranges_next(&ranges, &range)) return false;
    *index = range.end < ranges.size ? *index : range.tier->index;
    return range.end < ranges.size;
}

/* Where a range of pages is to be, and how many bytes of it the program has asked for. */
struct tpi_target {
    char *at;
    size_t size, bytes;
};

/* A mapping that fails may have removed what was there. */
static bool tpi_mend(const struct tpi_target *target, size_t size) {
    int error = errno;
    void *there =
        tp_raw_mmap(target->at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = error;
    return there != MAP_FAILED;
}

/* Pages of a shared tier over fresh private ones. The end of the last page, where these are huge, waits among
 * the tier's free runs. */
static bool tpi_cover(struct tpi_tier *tier, const struct tpi_target *target, bool *torn) {
    struct tpi_slices slices;
    size_t whole = tpi_round_up(target->size, tier->granule_bytes);
    uintptr_t start = (uintptr_t)target->at;
    if (!tpi_slices_open(&slices, tier, start, start + whole)) return false;
    if (tpi_mremap(slices.next, whole, whole, target->at) != target->at) {
        tpi_slices_close(&slices);
        *torn = !tpi_mend(target, whole);
        return false;
    }
    if (whole > target->size) tpi_tier_give(tier, target->at + target->size, whole - target->size);
    return true;
}

static bool tpi_put(struct tpi_tier *tier, const struct tpi_target *target, bool *torn) {
    if (tier->backend->memory == TPI_MEMORY_ANONYMOUS)
        return tier->backend->adopt(tier, target->at, target->size);
    errno = 0;
    if (tpi_cover(tier, target, torn)) return true;
    /* Freed runs that wait to be used again may hold all the room there is. */
    return errno == ENOSPC && !*torn && tpi_tier_drop_free(tier) && tpi_cover(tier, target, torn);
}

/* In the tier or down its spill chain, at last in the system's whatever its capacity. NULL: the range is not
 * mapped any more. */
static struct tpi_tier *tpi_fill(struct tpi_tier *tier, const struct tpi_target *target) {
    bool torn = false;
    for (; !tpi_tier_is_last(tier); tier = tpi_tier_spill(tier, target->bytes)) {
        if (!tier->open || !tpi_tier_reserve(tier, target->bytes)) continue;
        if (tpi_put(tier, target, &torn)) break;
        tpi_tier_note_failure(tier);
        tpi_tier_unreserve(tier, target->bytes);
        if (torn) return NULL;
    }
    if (tpi_tier_is_last(tier)) {
        tier = tpi_tier_at(0);
        tpi_tier_reserve_any(tier, target->bytes);
    }
    if (tier->index != 0) tp_pagemap_set_tier((uintptr_t)target->at, target->size, tier->index);
    tpi_tier_count(tier, target->bytes);
    return tier;
}

static size_t tpi_bytes(size_t size, size_t start, size_t end) {
    return (end < size ? end : size) - start;
}

/* Fresh pages for all of it, so aligned that whole pages of each tier fall on whole ones. */
static char *tpi_map_whole(struct tpi_ranges ranges, size_t align, size_t *mapped_bytes) {
    struct tpi_range range;
    size_t page = TPI_PAGE_BYTES;
    while (tpi_ranges_next(&ranges, &range)) {
        const struct tpi_backend *backend = range.tier->backend;
        size_t own = tpi_range_page_bytes(range.tier);
        if (range.end - range.start >= backend->chunk_bytes && backend->large_align > own)
            own = backend->large_align;
        if (own > page) page = own;
    }
    *mapped_bytes = tpi_round_up(ranges.size, page);
    return tpi_pages_map(*mapped_bytes, align > page ? align : page);
}

/* What was filled goes back to its tiers. */
static void *tpi_give_up(char *base, size_t filled_bytes, size_t mapped_bytes) {
    if (filled_bytes > 0) tp_place_release(base, filled_bytes, 0);
    tp_raw_munmap(base + filled_bytes, mapped_bytes - filled_bytes);
    return NULL;
}

void *tp_place_split(unsigned parts, unsigned index, size_t size, size_t align, unsigned *got) {
    struct tpi_ranges ranges = tpi_ranges_of(parts, index, size);
    struct tpi_range range;
    size_t mapped_bytes, used_bytes = ranges.size;
    char *base = align <= TPI_LARGEST ? tpi_map_whole(ranges, align, &mapped_bytes) : NULL;
    if (base == NULL) return NULL;
    while (tpi_ranges_next(&ranges, &range)) {
        const struct tpi_target target = {base + range.start, range.end - range.start,
                                          tpi_bytes(size, range.start, range.end)};
        const struct tpi_tier *tier = tpi_fill(range.tier, &target);
        if (tier == NULL) return tpi_give_up(base, range.start, mapped_bytes);
        if (range.end == ranges.size)
            used_bytes = range.start + tpi_round_up(target.size, tier->granule_bytes);
    }
    if (used_bytes < mapped_bytes) tp_raw_munmap(base + used_bytes, mapped_bytes - used_bytes);
    tpi_note_largest(ranges.size);
    *got = index;
    if (ranges.moved)
        tpi_note(TP_NOTE_PARTS_MOVED, index,
                 "parts of an object begin at whole pages of their tiers, which are larger than 4 KiB: "
                 "boundaries have moved to the nearest");
    return base;
}

void tp_place_map_split(unsigned parts, unsigned index, void *address, size_t size, bool plain) {
    struct tpi_ranges ranges = tpi_ranges_of(parts, index, size);
    struct tpi_range range;
    while (tpi_ranges_next(&ranges, &range))
        tp_place_map(range.tier->index, (char *)address + range.start, range.end - range.start, plain);
}

/* Unequal shares of nodes are runs with a policy each, which cannot be carried as one. */
static bool tpi_is_of_many_mappings(const struct tpi_tier *tier) {
    const struct tp_plan_weight *weights = tier->plan->weights;
    if (tier->plan->kind != TP_TIER_INTERLEAVE) return false;
    for (unsigned i = 1; i < TP_PLAN_WEIGHTS && weights[i].weight > 0; i++)
        if (weights[i].weight != weights[0].weight) return true;
    return false;
}

bool tp_place_is_split(const void *address, size_t size) {
    uintptr_t at = (uintptr_t)address, end = at + size;
    bool split = false;
    if (!tp_place_active() || end < at) return false;
    for (uintptr_t next; at < end; at = next) {
        if (tpi_is_of_many_mappings(tpi_tier_at(tp_pagemap_tier(at)))) return false;
        next = tp_pagemap_tier_end(at, end);
        split |= next < end;
    }
    return split;
}

bool tp_place_cut(void *address, size_t old_size, size_t new_size) {
    uintptr_t start = (uintptr_t)address, old_end = start + tpi_round_up(old_size, TPI_PAGE_BYTES),
              new_end = start + tpi_round_up(new_size, TPI_PAGE_BYTES);
    tp_busy_settle(start, old_size);
    if (tpi_torn_any(start)) return false;
    if (new_end < old_end) {
        /* What is left ends with a whole page, as far as is counted until now. */
        tp_place_release((void *)new_end, start + old_size - new_end, 0);
        old_size = new_end - start;
    }
    tpi_tier_unreserve(tpi_tier_at(tp_pagemap_tier(new_end - TPI_PAGE_BYTES)), old_size - new_size);
    return true;
}
