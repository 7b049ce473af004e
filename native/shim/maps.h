/* maps.h - the ranges that the program mapped itself and that are tracked: sorted, disjoint, split and cut as
 * the program unmaps parts of them.
 */
#ifndef TP_MAPS_H
#define TP_MAPS_H

#include "guard.h"

struct tp_map {
    uintptr_t start, end;
    uint32_t site;
    uint8_t tier;
    bool file;   /* of a file, not anonymous */
    bool placed; /* placement was asked, and is to be told of the end */
};

#define TP_MAP_PIECES 40u /* more than an object that is split by `tierprof place` has */

struct tp_map_pieces {
    unsigned n_pieces;
    struct tp_map pieces[TP_MAP_PIECES];
};

/* Adds a range. False: without memory, or one that is tracked overlaps it. */
bool tp_maps_add(tp_guard *guard, const struct tp_map *map);

/* Removes what of [start, end) is tracked, and tells what that was, so that a failed system call can put it
 * back. If there are more than TP_MAP_PIECES, only the first ones are removed: call it again. */
void tp_maps_remove(tp_guard *guard, uintptr_t start, uintptr_t end, struct tp_map_pieces *removed);

/* The first range that ends behind `address`; false: there is none. */
bool tp_maps_next(tp_guard *guard, uintptr_t address, struct tp_map *map);

/* A mover takes hold of [start, end), a part of a range of the site (busy.h); false: it has gone. */
bool tp_maps_hold(tp_guard *guard, uint32_t site, uintptr_t start, uintptr_t end);

/* That part is in another tier now: the range is split, and joined with a neighbour that it became like. */
void tp_maps_set_tier(tp_guard *guard, uint32_t site, uintptr_t start, uintptr_t end, unsigned tier);

void tp_maps_fork_prepare(tp_guard *guard);
void tp_maps_fork_parent(tp_guard *guard);
void tp_maps_fork_child(void);

#endif
