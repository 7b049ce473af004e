/* deferred.h - what a thread has counted of the system's tier and not added yet. Most of a program's memory
 * is there, and a line of the cache that all threads write at each malloc would be the slowest part of it.
 * Only for a tier without a capacity: nobody waits for the sum.
 */
#ifndef TP_DEFERRED_H
#define TP_DEFERRED_H

#include "tier.h"

/* An allocation of so many bytes, or, negative, the end of one. */
void tpi_deferred_add(struct tpi_tier *tier, int64_t bytes);

/* Adds what this thread has counted. */
void tpi_deferred_settle(struct tpi_tier *tier);

/* In a forked child, whose tier counts what its parent had settled. */
void tpi_deferred_forget(void);

#endif
