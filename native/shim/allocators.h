/* allocators.h - allocators that are not the C library's.
 *
 * One in a library of its own is called through the hooks, like the C library's: its objects are tracked and
 * placed one by one, and what it maps for itself is no object. One that is linked into the program is never
 * hooked: what it maps is all there is to see, and is one object, by the allocator's name, whoever needed the
 * next piece.
 */
#ifndef TP_ALLOCATORS_H
#define TP_ALLOCATORS_H

#include "../common/records.h"
#include "guard.h"
#include "objects.h"
#include "unwind.h"

/* Looks where malloc comes from, and leaves a note unless that is the C library. False: it is the program's
 * own, and nothing of the malloc family may be tracked or placed. */
bool tp_allocators_start(tp_guard *guard);

/* Is `address` in an allocator that is called through the hooks? */
bool tp_allocator_hooked_at(uintptr_t address);

/* The allocator that is linked into the program, if the stack leads through one of its functions for others:
 * `objects` are those that its addresses lie in. */
enum tp_allocator tp_allocator_of(const struct tp_backtrace *backtrace, const struct tp_object *objects);

#endif
