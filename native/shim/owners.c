/* owners.c - the slots, and the hash table: in shards, each with its own lock, open addressing with linear
 * probing, and removal by moving later entries back, so that no tombstones pile up. Counts starts in the
 * pagemap.
 */
#include "owners.h"

#include "../common/check.h"
#include "../common/rawio.h"
#include "busy.h"
#include "pagemap.h"

enum { TPI_SHARD_BITS = 6, TPI_SHARDS = 1 << TPI_SHARD_BITS, TPI_FIRST_CAPACITY = 512 };

struct tpi_shard {
    tp_lock lock;
    uint32_t count;
    size_t capacity;          /* a power of two, or 0 */
    struct tp_owner *entries; /* address 0: free */
} __attribute__((aligned(64)));

static struct tpi_shard tpi_shards[TPI_SHARDS];

/* Allocations are at least 16 bytes apart, and often whole pages. */
static uint64_t tpi_hash(uintptr_t address) {
    uint64_t hash = (address >> 4) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 32;
}

static struct tpi_shard *tpi_shard_of(uint64_t hash) {
    return &tpi_shards[hash & (TPI_SHARDS - 1)];
}

static size_t tpi_home(const struct tpi_shard *shard, uint64_t hash) {
    return (hash >> TPI_SHARD_BITS) & (shard->capacity - 1);
}

/* The entry of `address`, or the free one where it would go. */
static struct tp_owner *tpi_find(const struct tpi_shard *shard, uintptr_t address, uint64_t hash) {
    size_t at = tpi_home(shard, hash);
    while (shard->entries[at].address != 0 && shard->entries[at].address != address)
        at = (at + 1) & (shard->capacity - 1);
    return &shard->entries[at];
}

/* Is every entry where a search for it begins, or reached from there without a gap? */
static bool tpi_reachable(const struct tpi_shard *shard) {
    for (size_t i = 0; i < shard->capacity; i++) {
        uintptr_t address = shard->entries[i].address;
        if (address != 0 && tpi_find(shard, address, tpi_hash(address)) != &shard->entries[i]) return false;
    }
    return true;
}

static bool tpi_grow(struct tpi_shard *shard) {
    struct tpi_shard old = *shard;
    size_t capacity = old.capacity == 0 ? TPI_FIRST_CAPACITY : 2 * old.capacity;
    struct tp_owner *entries = tp_raw_pages(capacity * sizeof *entries);
    if (entries == NULL) return false;
    shard->entries = entries;
    shard->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++) {
        const struct tp_owner *owner = &old.entries[i];
        if (owner->address != 0) *tpi_find(shard, owner->address, tpi_hash(owner->address)) = *owner;
    }
    if (old.entries != NULL) tp_raw_munmap(old.entries, old.capacity * sizeof *entries);
    TP_CHECK(tpi_reachable(shard));
    return true;
}

/* Closes the gap at `hole`: every later entry of the run moves back unless it would pass its home. */
static void tpi_remove(struct tpi_shard *shard, struct tp_owner *entry) {
    size_t mask = shard->capacity - 1, hole = (size_t)(entry - shard->entries);
    for (size_t at = (hole + 1) & mask; shard->entries[at].address != 0; at = (at + 1) & mask) {
        size_t home = tpi_home(shard, tpi_hash(shard->entries[at].address));
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        shard->entries[hole] = shard->entries[at];
        hole = at;
    }
    shard->entries[hole].address = 0;
    shard->count--;
    TP_CHECK(shard->count % 64 != 63 || tpi_reachable(shard));
}

struct tp_owner *tp_owners_top[1u << 17];

/* The slot for an allocation's start, its leaf made if need be; NULL without memory. */
static struct tp_owner *tpi_slot(uintptr_t address) {
    if (address >> 47 != 0) return NULL;
    struct tp_owner **top = &tp_owners_top[address >> 30], *leaf = __atomic_load_n(top, __ATOMIC_ACQUIRE);
    if (leaf == NULL) {
        size_t bytes = sizeof *leaf << TPI_OWNER_LEAF_SHIFT;
        struct tp_owner *fresh = tp_raw_pages(bytes);
        if (fresh == NULL) return NULL;
        if (!__atomic_compare_exchange_n(top, &leaf, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            tp_raw_munmap(fresh, bytes);
    }
    return tpi_owner_slot(address);
}

/* What was there ended without our knowledge, if anything was: nothing else starts in this page. */
static bool tpi_add_slot(const struct tp_owner *owner) {
    struct tp_owner *slot = tpi_slot(owner->address);
    if (slot == NULL || tp_pagemap_expect_starts(owner->address) != 0) return false;
    slot->size = owner->size;
    slot->site = owner->site;
    slot->kind = owner->kind;
    slot->tier = owner->tier;
    slot->accounted = owner->accounted;
    __atomic_store_n(&slot->address, owner->address, __ATOMIC_RELEASE);
    return true;
}

/* The exchange is also the barrier between leaving the table and looking for a mover (busy.h). */
static bool tpi_take_slot(uintptr_t address, struct tp_owner *owner) {
    struct tp_owner *slot = tpi_owner_slot(address);
    if (slot == NULL || __atomic_load_n(&slot->address, __ATOMIC_RELAXED) != address) return false;
    if (__atomic_exchange_n(&slot->address, 0, __ATOMIC_SEQ_CST) != address) return false;
    *owner = *slot;
    owner->address = address;
    return true;
}

/* Without a lock: whoever takes the slot looks for a mover after that, and the mover looks at the slot after
 * its mark, so that one of the two sees the other. */
static bool tpi_hold_slot(const struct tp_owner *expected, uintptr_t start, uintptr_t end) {
    const struct tp_owner *slot = tpi_owner_slot(expected->address);
    if (slot == NULL || __atomic_load_n(&slot->address, __ATOMIC_ACQUIRE) != expected->address) return false;
    tp_busy_mark(start, end);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&slot->address, __ATOMIC_SEQ_CST) == expected->address &&
        slot->size == expected->size && slot->site == expected->site && slot->kind == TP_OWNER_PLACED)
        return true;
    tp_busy_clear();
    return false;
}

/* An allocation that ended without our knowledge, where another starts now. */
static void tpi_forget_slot(uintptr_t address) {
    struct tp_owner *slot = tpi_owner_slot(address);
    if (slot != NULL && slot->address == address) __atomic_store_n(&slot->address, 0, __ATOMIC_RELAXED);
}

bool tp_owners_add(tp_guard *guard, const struct tp_owner *owner) {
    if (owner->size >= TP_OWNER_SLOT_BYTES && tpi_add_slot(owner)) return true;
    tpi_forget_slot(owner->address);
    uint64_t hash = tpi_hash(owner->address);
    struct tpi_shard *shard = tpi_shard_of(hash);
    bool added = false;
    tp_guard_lock(guard, &shard->lock);
    if (4 * ((size_t)shard->count + 1) <= 3 * shard->capacity || tpi_grow(shard)) {
        struct tp_owner *entry = tpi_find(shard, owner->address, hash);
        bool fresh = entry->address == 0;
        added = !fresh || tp_pagemap_add_start(owner->address) == 0;
        if (added) *entry = *owner;
        shard->count += added && fresh;
    }
    tp_guard_unlock(guard, &shard->lock);
    return added;
}

bool tp_owners_take(tp_guard *guard, uintptr_t address, struct tp_owner *owner) {
    if (tpi_take_slot(address, owner)) return true;
    uint64_t hash = tpi_hash(address);
    struct tpi_shard *shard = tpi_shard_of(hash);
    bool found = false;
    tp_guard_lock(guard, &shard->lock);
    if (shard->capacity > 0) {
        struct tp_owner *entry = tpi_find(shard, address, hash);
        found = entry->address != 0;
        if (found) {
            *owner = *entry;
            tpi_remove(shard, entry);
            tp_pagemap_remove_start(address);
        }
    }
    tp_guard_unlock(guard, &shard->lock);
    return found;
}

bool tp_owners_get(tp_guard *guard, uintptr_t address, struct tp_owner *owner) {
    const struct tp_owner *slot = tpi_owner_slot(address);
    if (slot != NULL && __atomic_load_n(&slot->address, __ATOMIC_ACQUIRE) == address) {
        *owner = *slot;
        return true;
    }
    uint64_t hash = tpi_hash(address);
    struct tpi_shard *shard = tpi_shard_of(hash);
    bool found = false;
    tp_guard_lock(guard, &shard->lock);
    if (shard->capacity > 0) {
        const struct tp_owner *entry = tpi_find(shard, address, hash);
        found = entry->address != 0;
        if (found) *owner = *entry;
    }
    tp_guard_unlock(guard, &shard->lock);
    return found;
}

/* Pages without starts are passed over by their bytes: their slots have never been touched. */
static bool tpi_next_slot(struct tp_owners_cursor *cursor, struct tp_owner *owner) {
    for (; cursor->top < 1u << 17; cursor->top++, cursor->at = 0) {
        const struct tp_owner *leaf = __atomic_load_n(&tp_owners_top[cursor->top], __ATOMIC_ACQUIRE);
        uintptr_t base = (uintptr_t)cursor->top << 30;
        while (leaf != NULL && cursor->at < 1u << TPI_OWNER_LEAF_SHIFT) {
            size_t at = cursor->at++;
            if ((tp_pagemap_get(base + (at << TPI_PAGE_SHIFT)) & TPI_STARTS_MASK) != TPI_SLAB_PAGE - 1)
                continue;
            *owner = leaf[at];
            uintptr_t address = __atomic_load_n(&leaf[at].address, __ATOMIC_ACQUIRE);
            if (address != 0 && address == owner->address) return true;
        }
    }
    return false;
}

bool tp_owners_next(tp_guard *guard, struct tp_owners_cursor *cursor, struct tp_owner *owner) {
    if (tpi_next_slot(cursor, owner)) return true;
    for (; cursor->shard < TPI_SHARDS; cursor->shard++, cursor->at = 0) {
        struct tpi_shard *shard = &tpi_shards[cursor->shard];
        tp_guard_lock(guard, &shard->lock);
        while (cursor->at < shard->capacity && shard->entries[cursor->at].address == 0)
            cursor->at++;
        bool found = cursor->at < shard->capacity;
        if (found) *owner = shard->entries[cursor->at++];
        tp_guard_unlock(guard, &shard->lock);
        if (found) return true;
    }
    return false;
}

bool tp_owners_hold(tp_guard *guard, const struct tp_owner *expected, uintptr_t start, uintptr_t end) {
    if (tpi_hold_slot(expected, start, end)) return true;
    uint64_t hash = tpi_hash(expected->address);
    struct tpi_shard *shard = tpi_shard_of(hash);
    tp_guard_lock(guard, &shard->lock);
    const struct tp_owner *entry = shard->capacity > 0 ? tpi_find(shard, expected->address, hash) : NULL;
    bool same = entry != NULL && entry->address == expected->address && entry->size == expected->size &&
                entry->site == expected->site && entry->kind == TP_OWNER_PLACED;
    if (same) tp_busy_mark(start, end);
    tp_guard_unlock(guard, &shard->lock);
    return same;
}

void tp_owners_set_tier(tp_guard *guard, uintptr_t address, uint32_t site, unsigned tier) {
    struct tp_owner *slot = tpi_owner_slot(address);
    if (slot != NULL && __atomic_load_n(&slot->address, __ATOMIC_ACQUIRE) == address) {
        if (slot->site == site) slot->tier = (uint8_t)tier;
        return;
    }
    uint64_t hash = tpi_hash(address);
    struct tpi_shard *shard = tpi_shard_of(hash);
    tp_guard_lock(guard, &shard->lock);
    struct tp_owner *entry = shard->capacity > 0 ? tpi_find(shard, address, hash) : NULL;
    if (entry != NULL && entry->address == address && entry->site == site) entry->tier = (uint8_t)tier;
    tp_guard_unlock(guard, &shard->lock);
}

void tp_owners_fork_prepare(tp_guard *guard) {
    for (unsigned i = 0; i < TPI_SHARDS; i++)
        tp_guard_lock(guard, &tpi_shards[i].lock);
}

void tp_owners_fork_parent(tp_guard *guard) {
    for (unsigned i = TPI_SHARDS; i-- > 0;)
        tp_guard_unlock(guard, &tpi_shards[i].lock);
}

void tp_owners_fork_child(void) {
    for (unsigned i = 0; i < TPI_SHARDS; i++)
        tp_lock_renew(&tpi_shards[i].lock);
}
