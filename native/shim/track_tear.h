/* track_tear.h - the program unmaps, or maps over, what is no tracked mapping of its own: pages of objects
 * from malloc, perhaps. */
#ifndef TP_TRACK_TEAR_H
#define TP_TRACK_TEAR_H

#include "guard.h"

/* To be called before the system call: afterwards the pages may be another's. Objects that lie in the range
 * lose their pages there. */
void tpi_tear(tp_guard *guard, const void *address, size_t size);

/* The same, where the pages move and keep their content: if a forked child would share them, they become
 * private first. */
void tpi_tear_off(tp_guard *guard, const void *address, size_t size);

#endif
