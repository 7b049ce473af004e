/* slices.h - fresh pages of a tier for a whole object, put in the place of the old ones slice by slice: cut
 * from one mapping, so that the object is one mapping again afterwards. */
#ifndef TP_SLICES_H
#define TP_SLICES_H

#include "freeze.h"
#include "tier.h"

struct tpi_slices {
    char *next; /* of the mapping, what has not been used */
    char *end;
    uintptr_t at; /* where `next` belongs; both go forward together */
};

/* False: the tier has no pages. The range begins and ends at multiples of the tier's granule. */
bool tpi_slices_open(struct tpi_slices *slices, struct tpi_tier *tier, uintptr_t start, uintptr_t end);

/* Gives back what was not used. */
void tpi_slices_close(struct tpi_slices *slices);

struct tpi_sliced {
    enum tp_stay stay; /* TP_STAY_NONE: done */
    uint64_t frozen_ns;
    int error;
};

/* Replaces [start, start + size) by fresh pages with the same content. Slices before `start` that were passed
 * over are given back. Either all of it is replaced or none. */
struct tpi_sliced tpi_slices_replace(struct tpi_slices *slices, const struct tpi_tier *from,
                                     const struct tpi_tier *to, uintptr_t start, size_t size);

#endif
