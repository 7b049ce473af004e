/* place.c - place.h: walks spill chains over the tiers. */
#include "place.h"

#include <stdlib.h>
#include <string.h>

#include "../shim/busy.h"
#include "../shim/pagemap.h"
#include "assigned.h"
#include "deferred.h"
#include "emulate.h"
#include "held.h"
#include "memkind.h"
#include "pages.h"
#include "plan.h"
#include "policy.h"
#include "private.h"
#include "snapshot.h"
#include "tier.h"
#include "tiers.h"
#include "torn.h"

static struct {
    bool active;
    struct tpi_plan plan;
    unsigned n_tiers;
    struct tpi_tier tiers[TP_MAX_TIERS];
    size_t memory_bytes; /* of the machine */
} tpi_place;

/* What tp_place_allocate has reserved in the system's tier for the tp_place_account that follows. */
static __thread size_t tpi_promised;

struct tpi_tier *tpi_tier_at(unsigned index) {
    return &tpi_place.tiers[index];
}

static void tpi_open_tiers(struct tp_counters *counters) {
    tpi_place.n_tiers = tpi_place.plan.header->n_tiers;
    for (unsigned i = 0; i < tpi_place.n_tiers; i++) {
        struct tpi_tier *tier = &tpi_place.tiers[i];
        tier->plan = &tpi_place.plan.tiers[i];
        tier->index = i;
        tier->counters = &counters->tiers[i];
        tpi_tier_open(tier);
    }
}

void tp_place_start(struct tp_counters *counters) {
    const char *path = getenv("TIERPROF_PLAN");
    if (path == NULL || path[0] == 0 || tpi_place.active) return;
    const char *why = tpi_plan_open(&tpi_place.plan, path);
    if (why != NULL) {
        tpi_note(TP_NOTE_PLAN_BAD, 0, "%s: %s", path, why);
        return;
    }
    tpi_place.memory_bytes = (size_t)sysconf(_SC_PHYS_PAGES) * TPI_PAGE_BYTES;
    tpi_open_tiers(counters);
    why = tpi_emulate_start(&tpi_place.plan, getenv("TIERPROF_RECIPES"), counters);
    if (why != NULL) tpi_note(TP_NOTE_NO_EMULATION, 0, "no delay in emulated tiers: %s", why);
    __atomic_store_n(&tpi_place.active, true, __ATOMIC_RELEASE);
}

bool tp_place_active(void) {
    return __atomic_load_n(&tpi_place.active, __ATOMIC_ACQUIRE);
}

const struct tpi_plan *tpi_current_plan(void) {
    return tp_place_active() ? &tpi_place.plan : NULL;
}

unsigned tp_place_tier_of(uint64_t key_hi, uint64_t key_lo, bool *named) {
    unsigned tier;
    *named = true;
    if (tpi_assigned(key_hi, key_lo, &tier)) return tier;
    if (tp_place_active()) return tpi_plan_tier_of(&tpi_place.plan, key_hi, key_lo, named);
    *named = false;
    return 0;
}

bool tp_place_moves(uint64_t key_hi, uint64_t key_lo) {
    return tp_place_active() && tpi_plan_moves(&tpi_place.plan, key_hi, key_lo);
}

enum tp_tier_kind tp_place_tier_kind(unsigned index) {
    if (!tp_place_active() || index >= tpi_place.n_tiers) return TP_TIER_SYSTEM;
    return (enum tp_tier_kind)tpi_place.plan.tiers[index].kind;
}

bool tp_place_small(void) {
    return tp_place_active() && tpi_plan_places_small(&tpi_place.plan);
}

const struct tp_stem *tp_place_next_stem(uint32_t *index) {
    return tp_place_active() ? tpi_plan_next_stem(&tpi_place.plan, index) : NULL;
}

bool tp_place_small_of(uint64_t key_hi, uint64_t key_lo) {
    return tp_place_active() && tpi_plan_is_small(&tpi_place.plan, key_hi, key_lo);
}

/* Capacities are kept by counting, and moves may wait for a number of allocations. */
size_t tp_place_plain_bytes(void) {
    if (!tp_place_active() || tpi_place.plan.header->n_moves > 0) return 0;
    const struct tpi_tier *dram = &tpi_place.tiers[0];
    return dram->capacity_bytes == UINT64_MAX ? dram->backend->least_bytes : 0;
}

static size_t tpi_largest;

void tpi_note_largest(size_t size) {
    size_t largest = __atomic_load_n(&tpi_largest, __ATOMIC_RELAXED);
    while (size > largest && !__atomic_compare_exchange_n(&tpi_largest, &largest, size, true,
                                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

size_t tp_place_largest(void) {
    return __atomic_load_n(&tpi_largest, __ATOMIC_RELAXED);
}

/* Pages that `reserved` bytes have been counted in for; NULL: the tier has none. */
static void *tpi_pages_in(struct tpi_tier *tier, size_t size, size_t align, bool own_pages, bool *zeroed) {
    size_t pages_size = tpi_round_up(size, TPI_PAGE_BYTES);
    void *pages = tpi_tier_take(tier, pages_size, align, own_pages, zeroed);
    if (pages == NULL) {
        tpi_tier_note_failure(tier);
        tpi_tier_unreserve(tier, size);
        return NULL;
    }
    if (tier->index != 0) tp_pagemap_set_tier((uintptr_t)pages, pages_size, tier->index);
    tpi_tier_count(tier, size);
    tpi_note_largest(pages_size);
    return pages;
}

/* A promise that no allocation was made good on: the system's allocator had no memory. */
static void tpi_take_back_promise(void) {
    if (tpi_promised > 0) tpi_tier_unreserve(&tpi_place.tiers[0], tpi_promised);
    tpi_promised = 0;
}

/* In the tiers of the chain, and at last in the system's whatever its capacity. Objects of less than a tier's
 * least size are not for its pages: NULL then, with the tier's bytes promised if they had to be counted. */
static void *tpi_allocate(struct tpi_tier *tier, size_t size, size_t align, bool own_pages, unsigned *got,
                          bool *zeroed) {
    void *pages = NULL;
    for (; !tpi_tier_is_last(tier) && pages == NULL;
         tier = pages == NULL ? tpi_tier_spill(tier, size) : tier) {
        if (!tier->open || !tpi_tier_reserve(tier, size)) continue;
        if (!own_pages && size < tier->backend->least_bytes) {
            tpi_promised = size;
            return NULL;
        }
        pages = tpi_pages_in(tier, size, align, own_pages, zeroed);
    }
    if (pages == NULL) tier = &tpi_place.tiers[0];
    if (pages == NULL && (own_pages || size >= tier->backend->least_bytes)) {
        tpi_tier_reserve_any(tier, size);
        pages = tpi_pages_in(tier, size, align, own_pages, zeroed);
    }
    if (pages != NULL) *got = tier->index;
    return pages;
}

static void *tpi_allocate_checked(unsigned index, size_t size, size_t align, bool own_pages, unsigned *got,
                                  bool *zeroed) {
    *got = 0;
    *zeroed = false;
    tpi_take_back_promise();
    if (size == 0 || size > TPI_LARGEST || align > TPI_LARGEST) return NULL;
    return tpi_allocate(&tpi_place.tiers[index], size, align, own_pages, got, zeroed);
}

void *tp_place_allocate(unsigned index, size_t size, size_t align, unsigned *got, bool *zeroed) {
    return tpi_allocate_checked(index, size, align, false, got, zeroed);
}

void *tp_place_pages(unsigned index, size_t size, size_t align, unsigned *got, bool *zeroed) {
    return tpi_allocate_checked(index, size, align, true, got, zeroed);
}

/* Moves may have taken a part to another. */
static bool tpi_in_one_tier(uintptr_t start, uintptr_t end, unsigned index) {
    while (start < end && tp_pagemap_tier(start) == index)
        start += TPI_PAGE_BYTES;
    return start >= end;
}

void *tp_place_resize(void *address, size_t old_size, size_t new_size, unsigned index) {
    struct tpi_tier *tier = &tpi_place.tiers[index];
    uintptr_t old_end = (uintptr_t)address + tpi_round_up(old_size, TPI_PAGE_BYTES);
    if (new_size == 0 || new_size > TPI_LARGEST) return NULL;
    tp_busy_settle((uintptr_t)address, old_size);
    if (!tpi_in_one_tier((uintptr_t)address, old_end, index) || tpi_torn_any((uintptr_t)address)) return NULL;
    if (new_size > old_size && !tpi_tier_reserve(tier, new_size - old_size)) return NULL;
    size_t old_pages = tpi_round_up(old_size, TPI_PAGE_BYTES),
           new_pages = tpi_round_up(new_size, TPI_PAGE_BYTES);
    /* Pages that leave the object lose their tier before another thread can get them. */
    tp_pagemap_set_tier((uintptr_t)address, old_pages, 0);
    void *resized = tpi_tier_resize(tier, address, old_pages, new_pages);
    if (resized == NULL) {
        tp_pagemap_set_tier((uintptr_t)address, old_pages, index);
        if (new_size > old_size) tpi_tier_unreserve(tier, new_size - old_size);
        return NULL;
    }
    tp_pagemap_set_tier((uintptr_t)resized, new_pages, index);
    tpi_note_largest(new_pages);
    if (new_size < old_size) tpi_tier_unreserve(tier, old_size - new_size);
    tpi_tier_count(tier, new_size);
    return resized;
}

/* Counts bytes in whatever the capacity says: they are there already. */
static void tpi_count_in(struct tpi_tier *tier, size_t size, size_t reserved) {
    if (size > reserved) tpi_tier_reserve_any(tier, size - reserved);
    if (size < reserved) tpi_tier_unreserve(tier, reserved - size);
    tpi_tier_count(tier, size);
}

void tp_place_settle(void) {
    if (tp_place_active()) tpi_deferred_settle(&tpi_place.tiers[0]);
}

void tp_place_account(unsigned index, int64_t bytes) {
    if (!tp_place_active()) return;
    struct tpi_tier *tier = &tpi_place.tiers[index];
    if (index == 0 && tpi_promised == 0 && tier->capacity_bytes == UINT64_MAX) {
        tpi_deferred_add(tier, bytes);
        return;
    }
    if (bytes < 0) {
        tpi_tier_unreserve(tier, (size_t)-bytes);
        return;
    }
    tpi_count_in(tier, (size_t)bytes, index == 0 ? tpi_promised : 0);
    if (index == 0) tpi_promised = 0;
}

bool tp_place_is_memory(size_t size) {
    return size <= tpi_place.memory_bytes;
}

static bool tpi_adopt(struct tpi_tier *tier, void *address, size_t size, bool plain) {
    if (tier->backend->adopt == NULL || (tpi_tier_is_shared(tier) && !plain)) return false;
    errno = 0;
    if (tier->backend->adopt(tier, address, size)) return true;
    /* Freed runs that wait to be used again may hold all the room there is. */
    return errno == ENOSPC && tpi_tier_drop_free(tier) && tier->backend->adopt(tier, address, size);
}

unsigned tp_place_map(unsigned index, void *address, size_t size, bool plain) {
    if (!tp_place_active()) return 0;
    struct tpi_tier *tier = &tpi_place.tiers[index];
    for (; !tpi_tier_is_last(tier); tier = tpi_tier_spill(tier, size)) {
        if (!tier->open || !tpi_tier_reserve(tier, size)) continue;
        if (tpi_adopt(tier, address, size, plain)) {
            tpi_tier_count(tier, size);
            tp_pagemap_set_tier((uintptr_t)address, size, tier->index);
            return tier->index;
        }
        tpi_tier_unreserve(tier, size);
    }
    tpi_count_in(&tpi_place.tiers[0], size, 0);
    return 0;
}

void tp_place_unmap(void *address, size_t size, unsigned index) {
    if (!tp_place_active()) return;
    struct tpi_tier *tier = &tpi_place.tiers[index];
    tp_pagemap_set_tier((uintptr_t)address, size, 0);
    tpi_tier_unreserve(tier, size);
    if (tier->backend->disown != NULL) tier->backend->disown(tier);
}

bool tp_place_carry(void *from, size_t size, void *to, unsigned index) {
    struct tpi_tier *tier = &tpi_place.tiers[index];
    tpi_hold_lock(&tier->lock);
    tp_pagemap_set_tier((uintptr_t)to, size, index);
    tp_pagemap_set_tier((uintptr_t)from, size, 0);
    bool carried = tpi_mremap(from, size, size, to) != MAP_FAILED;
    if (!carried) {
        tp_pagemap_set_tier((uintptr_t)to, size, 0);
        tp_pagemap_set_tier((uintptr_t)from, size, index);
    }
    tpi_drop_lock(&tier->lock);
    return carried;
}

bool tp_place_is_shared(unsigned index) {
    return tp_place_active() && tpi_tier_is_shared(&tpi_place.tiers[index]);
}

void tp_place_forget_policy(void *address, size_t size) {
    if (tp_place_active()) tpi_policy_default(address, size, false);
}

void *tp_place_double(void *address, size_t size, unsigned index) {
    if (!tp_place_is_shared(index)) return NULL;
    void *twin = (void *)syscall(SYS_mremap, address, 0, size, MREMAP_MAYMOVE);
    return twin == MAP_FAILED ? NULL : twin;
}

void tp_place_drop_double(void *twin, size_t size, bool unmapped) {
    if (unmapped && tpi_mprotect(twin, size, PROT_READ | PROT_WRITE) == 0)
        tpi_madvise(twin, size, MADV_REMOVE);
    tp_raw_munmap(twin, size);
}

void tp_place_fork_prepare(void) {
    if (!tp_place_active()) return;
    bool copied = true, files = false;
    tp_place_leave_stack();
    tp_place_settle();
    for (unsigned i = 0; i < tpi_place.n_tiers; i++) {
        tpi_hold_lock(&tpi_place.tiers[i].lock);
        tpi_memkind_lock(&tpi_place.tiers[i]);
        files |= tpi_tier_is_shared(&tpi_place.tiers[i]);
    }
    tpi_torn_fork_prepare();
    if (files) copied = tpi_snapshot_take(tpi_place.tiers, tpi_place.n_tiers);
    if (!copied)
        tpi_note(TP_NOTE_OTHER, 0, "no memory for a forked child's copy of a file-backed tier: it shares it");
}

void tp_place_fork_parent(void) {
    if (!tp_place_active()) return;
    tpi_snapshot_discard();
    tpi_torn_fork_parent();
    for (unsigned i = tpi_place.n_tiers; i-- > 0;) {
        tpi_memkind_unlock(&tpi_place.tiers[i]);
        tpi_drop_lock(&tpi_place.tiers[i].lock);
    }
}

/* Locks are renewed, not released: a child that a raw clone made comes here without the prepare handler, and
 * then any thread of the parent may have held them. */
void tp_place_fork_child(struct tp_counters *counters) {
    if (!tp_place_active()) return;
    tpi_snapshot_install();
    tpi_private_fork_child();
    tpi_torn_fork_child();
    tpi_deferred_forget();
    for (unsigned i = 0; i < tpi_place.n_tiers; i++) {
        struct tpi_tier *tier = &tpi_place.tiers[i];
        tp_lock_renew(&tier->lock);
        tpi_memkind_lock_renew(tier);
        tier->counters = &counters->tiers[i];
        tier->counters->live_bytes = tier->counters->peak_bytes = tier->live_bytes;
        if (!tpi_tier_is_shared(tier)) continue;
        tpi_memkind_stop(tier);
        tpi_tier_drop_free(tier);
    }
    const char *why = tpi_emulate_again(counters);
    if (why != NULL)
        tpi_note(TP_NOTE_NO_EMULATION, 0, "no delay in emulated tiers of a forked child: %s", why);
}
