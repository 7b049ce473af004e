/* place.c - place.h: walks spill chains over the tiers. */
#include "place.h"

#include <stdlib.h>
#include <string.h>

#include "../shim/pagemap.h"
#include "emulate.h"
#include "held.h"
#include "pages.h"
#include "plan.h"
#include "snapshot.h"
#include "tier.h"
#include "tier_pmem.h"

#define TPI_LARGEST ((size_t)1 << 46) /* what no machine has; keeps sums of sizes from wrapping round */

static struct {
    bool active;
    struct tpi_plan plan;
    unsigned n_tiers;
    struct tpi_tier tiers[TP_MAX_TIERS];
} tpi_place;

/* What tp_place_allocate has reserved in the system's tier for the tp_place_account that follows. */
static __thread size_t tpi_promised;

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
    tpi_open_tiers(counters);
    why = tpi_emulate_start(&tpi_place.plan, getenv("TIERPROF_RECIPES"), counters);
    if (why != NULL) tpi_note(TP_NOTE_NO_EMULATION, 0, "no delay in emulated tiers: %s", why);
    __atomic_store_n(&tpi_place.active, true, __ATOMIC_RELEASE);
}

bool tp_place_active(void) {
    return __atomic_load_n(&tpi_place.active, __ATOMIC_ACQUIRE);
}

unsigned tp_place_tier_of(uint64_t key_hi, uint64_t key_lo, bool *named) {
    if (tp_place_active()) return tpi_plan_tier_of(&tpi_place.plan, key_hi, key_lo, named);
    *named = false;
    return 0;
}

/* The next tier of the chain; NULL: the system's, whatever its capacity. */
static struct tpi_tier *tpi_spill(struct tpi_tier *tier, size_t size) {
    tpi_tier_count_spill(tier, size);
    return tier->plan->spill == TP_TIER_NONE ? NULL : &tpi_place.tiers[tier->plan->spill];
}

static bool tpi_last_resort(const struct tpi_tier *tier) {
    return tier == NULL || (tier->backend == NULL && tier->plan->spill == TP_TIER_NONE);
}

static void *tpi_allocate_in(struct tpi_tier *tier, size_t size, size_t align, bool *zeroed) {
    size_t pages_size = tpi_round_up(size, TPI_PAGE_BYTES);
    if (!tier->open || !tpi_tier_reserve(tier, size)) return NULL;
    void *pages = tpi_tier_take(tier, pages_size, align, zeroed);
    if (pages == NULL) {
        tpi_tier_unreserve(tier, size);
        return NULL;
    }
    tp_pagemap_set_tier((uintptr_t)pages, pages_size, tier->index);
    tpi_tier_count(tier, size);
    return pages;
}

/* A promise that no allocation was made good on: the system's allocator had no memory. */
static void tpi_take_back_promise(void) {
    if (tpi_promised > 0) tpi_tier_unreserve(&tpi_place.tiers[0], tpi_promised);
    tpi_promised = 0;
}

void *tp_place_allocate(unsigned index, size_t size, size_t align, unsigned *got, bool *zeroed) {
    *got = 0;
    *zeroed = false;
    tpi_take_back_promise();
    if (size == 0 || size > TPI_LARGEST || align > TPI_LARGEST) return NULL;
    struct tpi_tier *tier = &tpi_place.tiers[index];
    for (; !tpi_last_resort(tier); tier = tpi_spill(tier, size)) {
        if (tier->backend == NULL) {
            if (!tpi_tier_reserve(tier, size)) continue;
            tpi_promised = size;
            return NULL;
        }
        void *pages = tpi_allocate_in(tier, size, align, zeroed);
        if (pages == NULL) continue;
        *got = tier->index;
        return pages;
    }
    return NULL;
}

void tp_place_release(void *address, size_t size, unsigned index) {
    struct tpi_tier *tier = &tpi_place.tiers[index];
    size_t pages_size = tpi_round_up(size, TPI_PAGE_BYTES);
    tp_pagemap_set_tier((uintptr_t)address, pages_size, 0); /* before another thread can get the pages */
    tpi_tier_give(tier, address, pages_size);
    tpi_tier_unreserve(tier, size);
}

void *tp_place_resize(void *address, size_t old_size, size_t new_size, unsigned index) {
    struct tpi_tier *tier = &tpi_place.tiers[index];
    if (new_size == 0 || new_size > TPI_LARGEST) return NULL;
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

void tp_place_account(unsigned index, int64_t bytes) {
    if (!tp_place_active()) return;
    struct tpi_tier *tier = &tpi_place.tiers[index];
    if (bytes < 0) {
        tpi_tier_unreserve(tier, (size_t)-bytes);
        return;
    }
    tpi_count_in(tier, (size_t)bytes, index == 0 ? tpi_promised : 0);
    if (index == 0) tpi_promised = 0;
}

unsigned tp_place_map(unsigned index, void *address, size_t size) {
    if (!tp_place_active()) return 0;
    struct tpi_tier *tier = &tpi_place.tiers[index];
    for (; !tpi_last_resort(tier); tier = tpi_spill(tier, size)) {
        if (!tier->open || !tpi_tier_reserve(tier, size)) continue;
        if (tier->backend == NULL ||
            (tier->backend->adopt != NULL && tier->backend->adopt(tier, address, size))) {
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
    tp_pagemap_set_tier((uintptr_t)address, size, 0);
    tpi_tier_unreserve(&tpi_place.tiers[index], size);
}

void tp_place_fork_prepare(void) {
    if (!tp_place_active()) return;
    bool copied = true, files = false;
    for (unsigned i = 0; i < tpi_place.n_tiers; i++) {
        tpi_hold_lock(&tpi_place.tiers[i].lock);
        tpi_pmem_lock(&tpi_place.tiers[i]);
        files |= tpi_place.tiers[i].open && tpi_place.tiers[i].plan->kind == TP_TIER_PMEM;
    }
    if (files) copied = tpi_snapshot_take(tpi_place.tiers, tpi_place.n_tiers);
    if (!copied)
        tpi_note(TP_NOTE_OTHER, 0, "no memory for a forked child's copy of a file-backed tier: it shares it");
}

void tp_place_fork_parent(void) {
    if (!tp_place_active()) return;
    tpi_snapshot_discard();
    for (unsigned i = tpi_place.n_tiers; i-- > 0;) {
        tpi_pmem_unlock(&tpi_place.tiers[i]);
        tpi_drop_lock(&tpi_place.tiers[i].lock);
    }
}

/* Locks are renewed, not released: a child that a raw clone made comes here without the prepare handler, and
 * then any thread of the parent may have held them. */
void tp_place_fork_child(struct tp_counters *counters) {
    if (!tp_place_active()) return;
    tpi_snapshot_install();
    for (unsigned i = 0; i < tpi_place.n_tiers; i++) {
        struct tpi_tier *tier = &tpi_place.tiers[i];
        tp_lock_renew(&tier->lock);
        tpi_pmem_lock_renew(tier);
        tier->counters = &counters->tiers[i];
        tier->counters->live_bytes = tier->counters->peak_bytes = tier->live_bytes;
        if (tier->plan->kind != TP_TIER_PMEM || !tier->open) continue;
        tpi_pmem_stop_memkind(tier);
        tpi_tier_drop_free(tier);
    }
    const char *why = tpi_emulate_again(counters);
    if (why != NULL)
        tpi_note(TP_NOTE_NO_EMULATION, 0, "no delay in emulated tiers of a forked child: %s", why);
}
