/* ranges.h - an object of a site with parts, range by range: each is in one tier, and their boundaries are at
 * whole pages of the tiers on both sides. Where these are larger than 4 KiB a boundary moves to the nearest.
 */
#ifndef TP_RANGES_H
#define TP_RANGES_H

#include "tiers.h"

struct tpi_range {
    size_t start, end; /* offsets in the object, multiples of a page */
    struct tpi_tier *tier;
};

struct tpi_ranges {
    const struct tp_plan_part *part, *parts_end; /* those that do not end before `planned` */
    struct tpi_tier *own;                        /* of what no part covers */
    size_t size;                                 /* of the object, whole pages */
    size_t planned, at;                          /* where the next range begins: by the plan, and really */
    bool moved;                                  /* a boundary has */
};

/* Of an object of `size` bytes; `parts` is a number of tp_place_parts_of's. */
struct tpi_ranges tpi_ranges_of(unsigned parts, unsigned own, size_t size);

/* False: the object has ended. */
bool tpi_ranges_next(struct tpi_ranges *ranges, struct tpi_range *range);

/* What a boundary of the tier's ranges must be a multiple of. */
size_t tpi_range_page_bytes(const struct tpi_tier *tier);

#endif
