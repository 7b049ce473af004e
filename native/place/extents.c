/* extents.c - bins by size, and an index from a run's first and last page to the run, for joining. */
#include "extents.h"

#include "pages.h"

#define TPI_SLOTS (1u << 18)
#define TPI_LOOKS 16 /* runs of a bin that are looked at: some may be too short */

#define TPI_PAGE_SHIFT 12
#define TPI_INDEX_LEAF_SHIFT 18
#define TPI_INDEX_TOPS (1u << 17)
#define TPI_OWNER_SHIFT 28

/* For the first and the last page of every free run: owner << TPI_OWNER_SHIFT | slot. One index for all
 * tiers: a tier writes only entries of its own pages, and passes over neighbours that carry another owner. */
static uint32_t *tpi_index_top[TPI_INDEX_TOPS];

static uint32_t *tpi_index_entry(uintptr_t address, bool make) {
    uintptr_t top = address >> (TPI_PAGE_SHIFT + TPI_INDEX_LEAF_SHIFT);
    if (top >= TPI_INDEX_TOPS) return NULL;
    uint32_t *leaf = __atomic_load_n(&tpi_index_top[top], __ATOMIC_ACQUIRE);
    if (leaf == NULL) {
        size_t bytes = sizeof(uint32_t) << TPI_INDEX_LEAF_SHIFT;
        uint32_t *fresh = make ? tp_raw_pages(bytes) : NULL;
        if (fresh == NULL) return NULL;
        if (__atomic_compare_exchange_n(&tpi_index_top[top], &leaf, fresh, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            leaf = fresh;
        else
            tp_raw_munmap(fresh, bytes);
    }
    return &leaf[(address >> TPI_PAGE_SHIFT) & ((1u << TPI_INDEX_LEAF_SHIFT) - 1)];
}

/* The free run of this tier that has `address` in its first or last page; 0: none. */
static uint32_t tpi_find(const struct tpi_extents *extents, uintptr_t address) {
    uint32_t *entry = tpi_index_entry(address, false);
    uint32_t value = entry ? __atomic_load_n(entry, __ATOMIC_RELAXED) : 0;
    return value >> TPI_OWNER_SHIFT == extents->owner ? value & ((1u << TPI_OWNER_SHIFT) - 1) : 0;
}

static bool tpi_index_set(const struct tpi_extent *run, uint32_t value) {
    uint32_t *first = tpi_index_entry(run->start, true);
    uint32_t *last = tpi_index_entry(run->start + run->size - 1, true);
    if (first == NULL || last == NULL) return false;
    __atomic_store_n(first, value, __ATOMIC_RELAXED);
    __atomic_store_n(last, value, __ATOMIC_RELAXED);
    return true;
}

static unsigned tpi_bin(size_t size) {
    return 63u - (unsigned)__builtin_clzll(size / TPI_PAGE_BYTES);
}

static uint32_t tpi_slot_new(struct tpi_extents *extents) {
    if (extents->slots == NULL) {
        extents->slots = tp_raw_pages(TPI_SLOTS * sizeof *extents->slots);
        if (extents->slots == NULL) return 0;
        extents->slots_used = 1; /* slot 0 means none */
    }
    uint32_t slot = extents->slot_free;
    if (slot != 0)
        extents->slot_free = extents->slots[slot].next;
    else if (extents->slots_used < TPI_SLOTS)
        slot = extents->slots_used++;
    return slot;
}

static void tpi_slot_drop(struct tpi_extents *extents, uint32_t slot) {
    extents->slots[slot].next = extents->slot_free;
    extents->slot_free = slot;
}

static bool tpi_link(struct tpi_extents *extents, uint32_t slot) {
    struct tpi_extent *run = &extents->slots[slot];
    if (!tpi_index_set(run, extents->owner << TPI_OWNER_SHIFT | slot)) return false;
    uint32_t *bin = &extents->bins[tpi_bin(run->size)];
    run->previous = 0;
    run->next = *bin;
    if (*bin != 0) extents->slots[*bin].previous = slot;
    *bin = slot;
    extents->free_bytes += run->size;
    return true;
}

static void tpi_unlink(struct tpi_extents *extents, uint32_t slot) {
    struct tpi_extent *run = &extents->slots[slot];
    tpi_index_set(run, 0);
    if (run->previous != 0)
        extents->slots[run->previous].next = run->next;
    else
        extents->bins[tpi_bin(run->size)] = run->next;
    if (run->next != 0) extents->slots[run->next].previous = run->previous;
    extents->free_bytes -= run->size;
}

/* Where in the run `size` bytes at `align` would lie; 0: it is too short. */
static uintptr_t tpi_fit(const struct tpi_extent *run, size_t size, size_t align) {
    uintptr_t start = tpi_round_up(run->start, align);
    return start + size <= run->start + run->size ? start : 0;
}

/* The first run that fits, smallest bins first. In bins of size + align and more the first one does. */
static uint32_t tpi_find_fit(const struct tpi_extents *extents, size_t size, size_t align) {
    for (unsigned bin = tpi_bin(size); bin < TPI_BINS; bin++) {
        uint32_t slot = extents->bins[bin];
        for (int looks = 0; slot != 0 && looks < TPI_LOOKS; looks++, slot = extents->slots[slot].next)
            if (tpi_fit(&extents->slots[slot], size, align) != 0) return slot;
    }
    return 0;
}

/* Cuts [start, start+size) out of a run that covers it; both ends go back. */
static void tpi_carve(struct tpi_extents *extents, uint32_t slot, uintptr_t start, size_t size) {
    struct tpi_extent run = extents->slots[slot];
    tpi_unlink(extents, slot);
    tpi_slot_drop(extents, slot);
    uintptr_t end = run.start + run.size;
    if (start > run.start && !tpi_extents_give(extents, run.start, start - run.start, run.zeroed))
        tp_raw_munmap((void *)run.start, start - run.start);
    if (start + size < end && !tpi_extents_give(extents, start + size, end - start - size, run.zeroed))
        tp_raw_munmap((void *)(start + size), end - start - size);
}

void *tpi_extents_take(struct tpi_extents *extents, size_t size, size_t align, bool *zeroed) {
    uint32_t slot = extents->slots != NULL ? tpi_find_fit(extents, size, align) : 0;
    if (slot == 0) return NULL;
    uintptr_t start = tpi_fit(&extents->slots[slot], size, align);
    *zeroed = extents->slots[slot].zeroed;
    tpi_carve(extents, slot, start, size);
    return (void *)start;
}

bool tpi_extents_give(struct tpi_extents *extents, uintptr_t start, size_t size, bool zeroed) {
    uint32_t slot = tpi_slot_new(extents);
    if (slot == 0) return false;
    struct tpi_extent run = {.start = start, .size = size, .zeroed = zeroed};
    uint32_t before = tpi_find(extents, start - 1), after = tpi_find(extents, start + size);
    if (before != 0) {
        run.start = extents->slots[before].start;
        run.size += extents->slots[before].size;
        run.zeroed &= extents->slots[before].zeroed;
        tpi_unlink(extents, before);
        tpi_slot_drop(extents, before);
    }
    if (after != 0) {
        run.size += extents->slots[after].size;
        run.zeroed &= extents->slots[after].zeroed;
        tpi_unlink(extents, after);
        tpi_slot_drop(extents, after);
    }
    extents->slots[slot] = run;
    if (tpi_link(extents, slot)) return true;
    /* Without memory for the index the joined run is lost to us: what was kept goes back to the kernel here.
     */
    tpi_slot_drop(extents, slot);
    if (run.start < start) tp_raw_munmap((void *)run.start, start - run.start);
    if (run.start + run.size > start + size)
        tp_raw_munmap((void *)(start + size), run.start + run.size - start - size);
    return false;
}

bool tpi_extents_take_at(struct tpi_extents *extents, uintptr_t start, size_t size) {
    uint32_t slot = extents->slots ? tpi_find(extents, start) : 0;
    if (slot == 0 || extents->slots[slot].start != start || extents->slots[slot].size < size) return false;
    tpi_carve(extents, slot, start, size);
    return true;
}

bool tpi_extents_evict(struct tpi_extents *extents, size_t keep_bytes, uintptr_t *start, size_t *size) {
    if (extents->free_bytes <= keep_bytes) return false;
    for (unsigned bin = TPI_BINS; bin-- > 0;) {
        uint32_t slot = extents->bins[bin];
        if (slot == 0) continue;
        *start = extents->slots[slot].start;
        *size = extents->slots[slot].size;
        tpi_unlink(extents, slot);
        tpi_slot_drop(extents, slot);
        return true;
    }
    return false;
}
