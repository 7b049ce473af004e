/* owners.h - who owns a pointer: the tracked allocations that are alive, by address. Asked only where the
 * pagemap says that a page holds a start.
 */
#ifndef TP_OWNERS_H
#define TP_OWNERS_H

#include "guard.h"

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

/* Adds an owner, replacing one at the same address. False without memory: the allocation is not tracked then.
 */
bool tp_owners_add(tp_guard *guard, const struct tp_owner *owner);

/* Takes the owner of `address` out, or only looks. False: it has none. */
bool tp_owners_take(tp_guard *guard, uintptr_t address, struct tp_owner *owner);
bool tp_owners_get(tp_guard *guard, uintptr_t address, struct tp_owner *owner);

/* Walks the owners, one a call, from a cursor of zeros; false at the end. No lock is held between calls:
 * owners that come and go meanwhile may be missed. */
struct tp_owners_cursor {
    unsigned shard;
    size_t at;
};
bool tp_owners_next(tp_guard *guard, struct tp_owners_cursor *cursor, struct tp_owner *owner);

void tp_owners_fork_prepare(tp_guard *guard);
void tp_owners_fork_parent(tp_guard *guard);
void tp_owners_fork_child(void);

#endif
