/* small.h - which small allocations are sampled: a Poisson process over bytes, so that each byte has the same
 * chance, whatever it is part of. */
#ifndef TP_SMALL_H
#define TP_SMALL_H

#include <stddef.h>

#include "thread.h"

/* Draws the gap to the next sample. */
void tp_small_next(struct tp_thread *self);

/* How many allocations of `size` a sampled one stands for; at least 1. */
uint32_t tp_small_weight(size_t size);

#endif
