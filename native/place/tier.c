/* tier.c - what all kinds of memory have in common: capacity, counters, and reuse of freed pages. */
#include "tier.h"

#include <errno.h>

#include "held.h"
#include "memkind.h"
#include "pages.h"

static const struct tpi_backend *const tpi_backends[] = {
    [TP_TIER_SYSTEM] = &tpi_backend_dram,
    [TP_TIER_PMEM] = &tpi_backend_pmem,
    [TP_TIER_NODE] = &tpi_backend_node,
    [TP_TIER_HUGE] = &tpi_backend_huge,
    [TP_TIER_EMULATED] = &tpi_backend_emulated,
    [TP_TIER_KMEM] = &tpi_backend_kmem,
    [TP_TIER_INTERLEAVE] = &tpi_backend_interleave,
    [TP_TIER_HUGETLB] = &tpi_backend_hugetlb,
};

bool tpi_tier_open(struct tpi_tier *tier) {
    tier->backend = tpi_backends[tier->plan->kind];
    tier->capacity_bytes = tier->plan->capacity_bytes;
    tier->granule_bytes = TPI_PAGE_BYTES;
    tier->free.owner = tier->index + 1; /* 0 is nobody */
    const char *why = tier->backend->open(tier);
    tier->open = why == NULL;
    if (why != NULL) tpi_note(TP_NOTE_TIER_FAILED, tier->index, "tier %s: %s", tier->plan->name, why);
    return tier->open;
}

void tpi_tier_note_failure(const struct tpi_tier *tier) {
    const char *why = "its memory cannot be had";
    if (errno == ENOSPC) why = "its folder is full";
    if (errno == ENOENT || errno == ENOTDIR) why = "its folder is gone";
    if (errno == EFBIG) why = "the size of files is limited (ulimit -f)";
    if (errno == EMFILE || errno == ENFILE) why = "no descriptor is left to make a file with";
    if (errno == ENOMEM)
        why = tier->granule_bytes > TPI_PAGE_BYTES ? "its pool of huge pages is empty" : "there is no memory";
    tpi_note(TP_NOTE_TIER_FAILED, tier->index, "tier %s: %s; from then on other tiers take what does not fit",
             tier->plan->name, why);
}

/* Only what came to be counts as a peak: a reservation may still fail, when the kernel has no pages. */
static void tpi_show_peak(struct tp_tier_counters *counters) {
    uint64_t live = __atomic_load_n(&counters->live_bytes, __ATOMIC_RELAXED);
    uint64_t peak = __atomic_load_n(&counters->peak_bytes, __ATOMIC_RELAXED);
    while (live > peak && live <= INT64_MAX &&
           !__atomic_compare_exchange_n(&counters->peak_bytes, &peak, live, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
    }
}

void tpi_tier_show_peak(struct tpi_tier *tier) {
    tpi_show_peak(tier->counters);
}

bool tpi_tier_reserve(struct tpi_tier *tier, size_t size) {
    uint64_t before = __atomic_load_n(&tier->live_bytes, __ATOMIC_RELAXED);
    do {
        if (before > tier->capacity_bytes || size > tier->capacity_bytes - before) return false;
    } while (!__atomic_compare_exchange_n(&tier->live_bytes, &before, before + size, true, __ATOMIC_ACQUIRE,
                                          __ATOMIC_RELAXED));
    __atomic_fetch_add(&tier->counters->live_bytes, size, __ATOMIC_RELAXED);
    return true;
}

void tpi_tier_reserve_any(struct tpi_tier *tier, size_t size) {
    __atomic_fetch_add(&tier->live_bytes, size, __ATOMIC_RELAXED);
    __atomic_fetch_add(&tier->counters->live_bytes, size, __ATOMIC_RELAXED);
}

void tpi_tier_unreserve(struct tpi_tier *tier, size_t size) {
    __atomic_fetch_sub(&tier->counters->live_bytes, size, __ATOMIC_RELAXED); /* never shows more than is */
    __atomic_fetch_sub(&tier->live_bytes, size, __ATOMIC_RELEASE);
}

void tpi_tier_count(struct tpi_tier *tier, size_t size) {
    tpi_tier_count_many(tier, 1, size);
}

void tpi_tier_count_many(struct tpi_tier *tier, uint64_t allocations, uint64_t bytes) {
    __atomic_fetch_add(&tier->counters->allocations, allocations, __ATOMIC_RELAXED);
    __atomic_fetch_add(&tier->counters->total_bytes, bytes, __ATOMIC_RELAXED);
    tpi_show_peak(tier->counters);
}

void tpi_tier_count_spill(struct tpi_tier *tier, size_t size) {
    __atomic_fetch_add(&tier->counters->spilled_allocations, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&tier->counters->spilled_bytes, size, __ATOMIC_RELAXED);
}

bool tpi_tier_owned_by_library(struct tpi_tier *tier, void *address) {
    return tier->backend->library && tpi_memkind_owns(tier, address);
}

static bool tpi_keep(struct tpi_tier *tier, uintptr_t start, uintptr_t end, bool zeroed) {
    if (start >= end) return true;
    tpi_hold_lock(&tier->lock);
    bool kept = tpi_extents_give(&tier->free, start, end - start, zeroed);
    tpi_drop_lock(&tier->lock);
    return kept;
}

/* Unmaps what can be unmapped of a run: whole granules. The rest stays a free run; without memory for its
 * index it is lost to the tier. */
static bool tpi_unmap(struct tpi_tier *tier, uintptr_t start, size_t size, bool zeroed) {
    uintptr_t end = start + size, first = tpi_round_up(start, tier->granule_bytes),
              last = end & ~(tier->granule_bytes - 1);
    if (first >= last) {
        tpi_keep(tier, start, end, zeroed);
        return false;
    }
    tp_raw_munmap((void *)first, last - first);
    tpi_keep(tier, start, first, zeroed);
    tpi_keep(tier, last, end, zeroed);
    return true;
}

/* Unmaps free runs, the largest first, until at most `keep_bytes` are left, or one is no whole granule; true
 * if any went. */
static bool tpi_shrink(struct tpi_tier *tier, size_t keep_bytes) {
    bool any = false;
    for (;;) {
        uintptr_t start;
        size_t size;
        tpi_hold_lock(&tier->lock);
        bool found = tpi_extents_evict(&tier->free, keep_bytes, &start, &size);
        tpi_drop_lock(&tier->lock);
        if (!found || !tpi_unmap(tier, start, size, false)) return any;
        any = true;
    }
}

static void tpi_give_run(struct tpi_tier *tier, uintptr_t start, size_t size, bool zeroed) {
    size_t largest = TPI_KEEP_RUN_BYTES > tier->granule_bytes ? TPI_KEEP_RUN_BYTES : tier->granule_bytes;
    if (size > largest || !tpi_keep(tier, start, start + size, zeroed)) tpi_unmap(tier, start, size, zeroed);
}

/* Small objects share a chunk; the rest of a fresh one waits among the free runs. */
static void *tpi_map_fresh(struct tpi_tier *tier, size_t size, size_t align) {
    size_t chunk = tpi_round_up(tier->backend->chunk_bytes, tier->granule_bytes);
    size_t least = size >= chunk ? tier->backend->large_align : TPI_PAGE_BYTES;
    size_t whole = tpi_round_up(size, tier->granule_bytes);
    char *pages = NULL;
    if (size < chunk && align <= TPI_PAGE_BYTES) {
        pages = tier->backend->map(tier, chunk, chunk);
        if (pages != NULL) whole = chunk;
    }
    if (pages == NULL) pages = tier->backend->map(tier, whole, align > least ? align : least);
    if (pages != NULL && whole > size) tpi_give_run(tier, (uintptr_t)pages + size, whole - size, true);
    return pages;
}

void *tpi_tier_take(struct tpi_tier *tier, size_t size, size_t align, bool own_pages, bool *zeroed) {
    if (align < TPI_PAGE_BYTES) align = TPI_PAGE_BYTES;
    if (!own_pages && tier->backend->library && size < tier->backend->chunk_bytes) {
        void *small = tpi_memkind_allocate(tier, size, align);
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

/* Of free runs: half as many bytes as live, because a program that computes in steps takes and frees about as
 * much each time; but no more than the tier was given, and of what nobody limits only memory that is this
 * process's own: others may want a folder's room. */
static size_t tpi_most_kept(const struct tpi_tier *tier) {
    uint64_t live = __atomic_load_n(&tier->live_bytes, __ATOMIC_RELAXED), capacity = tier->capacity_bytes;
    uint64_t room = capacity > live ? capacity - live : 0;
    if (capacity == UINT64_MAX && tier->backend->memory != TPI_MEMORY_ANONYMOUS) room = 0;
    uint64_t most = live / 2 < room ? live / 2 : room;
    return most > TPI_KEEP_BYTES ? most : TPI_KEEP_BYTES;
}

void tpi_tier_give(struct tpi_tier *tier, void *address, size_t size) {
    if (tpi_tier_owned_by_library(tier, address)) {
        tpi_memkind_release(tier, address);
        return;
    }
    tpi_give_run(tier, (uintptr_t)address, size, false);
    size_t most = tpi_most_kept(tier);
    if (__atomic_load_n(&tier->free.free_bytes, __ATOMIC_RELAXED) > most) tpi_shrink(tier, most / 2);
}

static void *tpi_grow(struct tpi_tier *tier, void *address, size_t old_size, size_t new_size) {
    tpi_hold_lock(&tier->lock);
    bool found = tpi_extents_take_at(&tier->free, (uintptr_t)address + old_size, new_size - old_size);
    tpi_drop_lock(&tier->lock);
    if (found) return address;
    if (!tier->backend->movable || old_size < tier->backend->chunk_bytes) return NULL;
    void *moved = tpi_mremap(address, old_size, new_size, NULL);
    return moved != MAP_FAILED ? moved : NULL;
}

void *tpi_tier_resize(struct tpi_tier *tier, void *address, size_t old_size, size_t new_size) {
    if (new_size == old_size) return address;
    if (tpi_tier_owned_by_library(tier, address)) return NULL;
    if (new_size > old_size) return tpi_grow(tier, address, old_size, new_size);
    tpi_give_run(tier, (uintptr_t)address + new_size, old_size - new_size, false);
    return address;
}

bool tpi_tier_drop_free(struct tpi_tier *tier) {
    return tpi_shrink(tier, 0);
}
