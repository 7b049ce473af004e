/* movables.h - the live memory of a site, piece by piece, for whoever moves it: allocations with pages of
 * their own, mappings of the program's, chunks of small objects; and what has no pages of its own and must
 * stay. */
#ifndef TP_MOVABLES_H
#define TP_MOVABLES_H

#include "maps.h"
#include "owners.h"
#include "slabs.h"

enum tp_movable_kind {
    TP_MOVABLE_OBJECT, /* of the malloc family, placed */
    TP_MOVABLE_MAP,    /* mapped by the program */
    TP_MOVABLE_SLABS,  /* a chunk of small objects */
    TP_MOVABLE_NOT,    /* in the C library's heap */
};

struct tp_movable {
    enum tp_movable_kind kind;
    uintptr_t start;
    size_t size; /* as the program asked for it */
    uint32_t site;
};

struct tp_movables_cursor {
    enum tp_movable_kind stage;
    struct tp_owners_cursor owners;
    uintptr_t mapped_to;
    struct tp_slabs_cursor slabs;
};

/* Walks the pieces of a site, one a call, from a cursor of zeros; false at the end. No lock is held between
 * calls: what comes and goes meanwhile may be missed. */
bool tp_movables_next(tp_guard *guard, struct tp_movables_cursor *cursor, uint32_t site,
                      struct tp_movable *piece);

/* Takes hold of a part of a piece (busy.h); false: it has gone, or is another by now. */
bool tp_movable_hold(tp_guard *guard, const struct tp_movable *piece, uintptr_t start, uintptr_t end);

/* A part that is held, or `whole`: all of the piece, is in `tier` now; accounts and pagemap say so already.
 */
void tp_movable_set_tier(tp_guard *guard, const struct tp_movable *piece, uintptr_t start, uintptr_t end,
                         unsigned tier, bool whole);

/* Lets go of what is held. */
void tp_movable_drop(tp_guard *guard, const struct tp_movable *piece);

#endif
