/* owners.h - who owns a pointer: the tracked allocations that are alive, by address. Asked only where the
 * pagemap says that a page holds a start.
 *
 * Allocations of a page or more have a slot each, found by the page that they start in: no other such
 * allocation can start there, so no lock is needed. Smaller ones, the sampled among them, share a hash table.
 */
#ifndef TP_OWNERS_H
#define TP_OWNERS_H

#include "guard.h"
#include "pagemap.h"

enum tp_owner_kind {
    TP_OWNER_SYSTEM = 1, /* tracked, memory of the system's allocator */
    TP_OWNER_PLACED = 2, /* tracked, memory of placement */
    TP_OWNER_SMALL = 3,  /* sampled small allocation, memory of the system's allocator */
};

struct tp_owner {
    uintptr_t address;
    size_t size;
    uint32_t site;
    uint8_t kind; /* enum tp_owner_kind */
    uint8_t tier;
    bool accounted; /* with placement, which is to be told of the end */
};

#define TPI_OWNER_LEAF_SHIFT 18
#define TP_OWNER_SLOT_BYTES 4096u /* allocations of at least this have slots */

extern struct tp_owner *tp_owners_top[1u << 17];

static inline struct tp_owner *tpi_owner_slot(uintptr_t address) {
    struct tp_owner *leaf = __atomic_load_n(&tp_owners_top[address >> 30], __ATOMIC_ACQUIRE);
    return leaf != NULL ? &leaf[address >> 12 & ((1u << TPI_OWNER_LEAF_SHIFT) - 1)] : NULL;
}

/* May `address`, in a page with tracked starts, be one? False is certain. */
static inline bool tp_owners_may_have(uintptr_t address) {
    const struct tp_owner *slot = tpi_owner_slot(address);
    return (slot != NULL && __atomic_load_n(&slot->address, __ATOMIC_RELAXED) == address) ||
           tp_pagemap_may_start(address);
}

/* Adds an owner, replacing one at the same address. False without memory: the allocation is not tracked then.
 */
bool tp_owners_add(tp_guard *guard, const struct tp_owner *owner);

/* Takes the owner of `address` out, or only looks. False: it has none. */
bool tp_owners_take(tp_guard *guard, uintptr_t address, struct tp_owner *owner);
bool tp_owners_get(tp_guard *guard, uintptr_t address, struct tp_owner *owner);

/* Walks the owners, one a call, from a cursor of zeros; false at the end. No lock is held between calls:
 * owners that come and go meanwhile may be missed. */
struct tp_owners_cursor {
    unsigned top, shard;
    size_t at;
};
bool tp_owners_next(tp_guard *guard, struct tp_owners_cursor *cursor, struct tp_owner *owner);

/* A mover takes hold of [start, end), a part of the allocation (busy.h); false: it has ended, or is another
 * by now. The tier is the one that all of it has come to. */
bool tp_owners_hold(tp_guard *guard, const struct tp_owner *expected, uintptr_t start, uintptr_t end);
void tp_owners_set_tier(tp_guard *guard, uintptr_t address, uint32_t site, unsigned tier);

void tp_owners_fork_prepare(tp_guard *guard);
void tp_owners_fork_parent(tp_guard *guard);
void tp_owners_fork_child(void);

#endif
