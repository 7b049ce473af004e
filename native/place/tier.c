/* tier.c - what all kinds of memory have in common: capacity, counters, and reuse of freed pages. */
#include "tier.h"

#include "held.h"
#include "pages.h"

static const struct tpi_backend *const tpi_backends[] = {
    [TP_TIER_SYSTEM] = NULL,
    [TP_TIER_PMEM] = &tpi_backend_pmem,
    [TP_TIER_NODE] = &tpi_backend_node,
    [TP_TIER_HUGE] = &tpi_backend_huge,
    [TP_TIER_EMULATED] = &tpi_backend_emulated,
};

bool tpi_tier_open(struct tpi_tier *tier) {
    tier->backend = tpi_backends[tier->plan->kind];
    tier->free.owner = tier->index + 1; /* 0 is nobody */
    const char *why = tier->backend ? tier->backend->open(tier) : NULL;
    tier->open = why == NULL;
    if (why != NULL) tpi_note(TP_NOTE_TIER_FAILED, tier->index, "tier %s: %s", tier->plan->name, why);
    return tier->open;
}

/* Only what came to be counts as a peak: a reservation may still fail, when the kernel has no pages. */
static void tpi_show_peak(struct tp_tier_counters *counters) {
    uint64_t live = __atomic_load_n(&counters->live_bytes, __ATOMIC_RELAXED);
    uint64_t peak = __atomic_load_n(&counters->peak_bytes, __ATOMIC_RELAXED);
    while (live > peak && !__atomic_compare_exchange_n(&counters->peak_bytes, &peak, live, true,
                                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

bool tpi_tier_reserve(struct tpi_tier *tier, size_t size) {
    uint64_t before = __atomic_load_n(&tier->live_bytes, __ATOMIC_RELAXED);
    do {
        if (before > tier->plan->capacity_bytes || size > tier->plan->capacity_bytes - before) return false;
    } while (!__atomic_compare_exchange_n(&tier->live_bytes, &before, before + size, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    __atomic_fetch_add(&tier->counters->live_bytes, size, __ATOMIC_RELAXED);
    return true;
}

void tpi_tier_reserve_any(struct tpi_tier *tier, size_t size) {
    __atomic_fetch_add(&tier->live_bytes, size, __ATOMIC_RELAXED);
    __atomic_fetch_add(&tier->counters->live_bytes, size, __ATOMIC_RELAXED);
}

void tpi_tier_unreserve(struct tpi_tier *tier, size_t size) {
    __atomic_fetch_sub(&tier->live_bytes, size, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&tier->counters->live_bytes, size, __ATOMIC_RELAXED);
}

void tpi_tier_count(struct tpi_tier *tier, size_t size) {
    __atomic_fetch_add(&tier->counters->allocations, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&tier->counters->total_bytes, size, __ATOMIC_RELAXED);
    tpi_show_peak(tier->counters);
}

void tpi_tier_count_spill(struct tpi_tier *tier, size_t size) {
    __atomic_fetch_add(&tier->counters->spilled_allocations, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&tier->counters->spilled_bytes, size, __ATOMIC_RELAXED);
}

/* Unmaps free runs until at most `keep_bytes` are left; true if any went. */
static bool tpi_shrink(struct tpi_tier *tier, size_t keep_bytes) {
    bool any = false;
    for (;;) {
        uintptr_t start;
        size_t size;
        tpi_hold_lock(&tier->lock);
        bool found = tpi_extents_evict(&tier->free, keep_bytes, &start, &size);
        tpi_drop_lock(&tier->lock);
        if (!found) return any;
        tp_raw_munmap((void *)start, size);
        any = true;
    }
}

static void tpi_keep(struct tpi_tier *tier, void *address, size_t size, bool zeroed) {
    bool kept = false;
    if (size <= TPI_KEEP_RUN_BYTES) {
        tpi_hold_lock(&tier->lock);
        kept = tpi_extents_give(&tier->free, (uintptr_t)address, size, zeroed);
        tpi_drop_lock(&tier->lock);
    }
    if (!kept) tp_raw_munmap(address, size);
}

/* Small objects share a chunk; the rest of a fresh one waits among the free runs. */
static void *tpi_map_fresh(struct tpi_tier *tier, size_t size, size_t align) {
    size_t chunk = tier->backend->chunk_bytes;
    if (size >= chunk) {
        size_t least = tier->backend->large_align;
        return tier->backend->map(tier, size, align > least ? align : least);
    }
    if (align <= TPI_PAGE_BYTES) {
        char *pages = tier->backend->map(tier, chunk, chunk);
        if (pages != NULL) {
            tpi_keep(tier, pages + size, chunk - size, true);
            return pages;
        }
    }
    return tier->backend->map(tier, size, align);
}

void *tpi_tier_take(struct tpi_tier *tier, size_t size, size_t align, bool *zeroed) {
    if (align < TPI_PAGE_BYTES) align = TPI_PAGE_BYTES;
    if (tier->backend->small_allocate != NULL && size < tier->backend->chunk_bytes) {
        void *small = tier->backend->small_allocate(tier, size, align);
        *zeroed = false;
        if (small != NULL) return small;
    }
    size_t run_align = size >= tier->backend->chunk_bytes && align < tier->backend->large_align
                           ? tier->backend->large_align
                           : align;
    tpi_hold_lock(&tier->lock);
    void *pages = tpi_extents_take(&tier->free, size, run_align, zeroed);
    tpi_drop_lock(&tier->lock);
    if (pages != NULL) return pages;
    *zeroed = true;
    pages = tpi_map_fresh(tier, size, align);
    if (pages == NULL && tpi_shrink(tier, 0)) pages = tpi_map_fresh(tier, size, align);
    return pages;
}

void tpi_tier_give(struct tpi_tier *tier, void *address, size_t size) {
    if (tier->backend->small_owned != NULL && tier->backend->small_owned(tier, address))
        tier->backend->small_release(tier, address);
    else {
        tpi_keep(tier, address, size, false);
        if (__atomic_load_n(&tier->free.free_bytes, __ATOMIC_RELAXED) > TPI_KEEP_BYTES)
            tpi_shrink(tier, TPI_KEEP_BYTES / 2);
    }
}

static void *tpi_grow(struct tpi_tier *tier, void *address, size_t old_size, size_t new_size) {
    tpi_hold_lock(&tier->lock);
    bool found = tpi_extents_take_at(&tier->free, (uintptr_t)address + old_size, new_size - old_size);
    tpi_drop_lock(&tier->lock);
    if (found) return address;
    if (!tier->backend->movable || old_size < tier->backend->chunk_bytes) return NULL;
    void *moved = tpi_mremap(address, old_size, new_size, NULL);
    return moved == MAP_FAILED ? NULL : moved;
}

void *tpi_tier_resize(struct tpi_tier *tier, void *address, size_t old_size, size_t new_size) {
    if (new_size == old_size) return address;
    if (tier->backend->small_owned != NULL && tier->backend->small_owned(tier, address)) return NULL;
    if (new_size > old_size) return tpi_grow(tier, address, old_size, new_size);
    tpi_keep(tier, (char *)address + new_size, old_size - new_size, false);
    return address;
}

void tpi_tier_drop_free(struct tpi_tier *tier) {
    tpi_shrink(tier, 0);
}
