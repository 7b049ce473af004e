/* stragglers.h - pages that the kernel left on their node when their range was given to another. */
#ifndef TP_STRAGGLERS_H
#define TP_STRAGGLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TPI_STRAGGLER_PAGES 512u

/* Tries once more to move what is not on a node of the range's policy, and then says which pages still are
 * not: strays[i] for the i-th of at most TPI_STRAGGLER_PAGES pages. `mixed`: the policy may change from page
 * to page (tier_interleave.c). Returns how many. Uses static memory: one mover at a time. */
size_t tpi_stragglers(uintptr_t start, size_t size, bool mixed, bool *strays);

#endif
