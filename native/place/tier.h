/* tier.h - a tier at run time, and what a kind of memory must be able to do to be one.
 *
 * Words: a tier is one entry of the plan; a backend is the code for its kind. The system's own memory has no
 * backend: there tierprof only counts.
 */
#ifndef TP_TIER_H
#define TP_TIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/lock.h"
#include "../common/planfile.h"
#include "../common/records.h"
#include "extents.h"

struct tpi_tier;

/* Sizes are multiples of the page, alignments powers of two. Optional functions may be NULL. */
struct tpi_backend {
    size_t chunk_bytes; /* what small objects are carved from */
    size_t large_align; /* alignment of runs that are at least as large */

    /* NULL, or in words why the tier cannot be used. */
    const char *(*open)(struct tpi_tier *tier);
    /* Fresh zeroed pages, given back by munmap; NULL: the tier has none. */
    void *(*map)(struct tpi_tier *tier, size_t size, size_t align);
    /* Optional: turns the program's own anonymous mapping into memory of this tier, in place. */
    bool (*adopt)(struct tpi_tier *tier, void *address, size_t size);
    /* Optional: another allocator for small objects. `owned` false: the address is not this allocator's. */
    void *(*small_allocate)(struct tpi_tier *tier, size_t size, size_t align);
    bool (*small_owned)(struct tpi_tier *tier, void *address);
    void (*small_release)(struct tpi_tier *tier, void *address);
    /* Runs may be moved or made larger by mremap. */
    bool movable;
};

struct tpi_tier {
    const struct tp_plan_tier *plan;
    const struct tpi_backend *backend; /* NULL: the system's own memory */
    unsigned index;
    bool open;
    tp_lock lock; /* of `free` */
    struct tpi_extents free;
    uint64_t live_bytes; /* the truth; counters show it outside */
    struct tp_tier_counters *counters;
};

extern const struct tpi_backend tpi_backend_pmem, tpi_backend_node, tpi_backend_huge, tpi_backend_emulated;

/* Opens the tier; false, with a note, if it cannot be used. */
bool tpi_tier_open(struct tpi_tier *tier);

/* Counts `size` bytes in unless that would exceed the capacity; out; and once they are an allocation's. */
bool tpi_tier_reserve(struct tpi_tier *tier, size_t size);
void tpi_tier_reserve_any(struct tpi_tier *tier, size_t size); /* whatever the capacity */
void tpi_tier_unreserve(struct tpi_tier *tier, size_t size);
void tpi_tier_count(struct tpi_tier *tier, size_t size);
void tpi_tier_count_spill(struct tpi_tier *tier, size_t size);

/* Pages of the tier; capacity is not their business. */
void *tpi_tier_take(struct tpi_tier *tier, size_t size, size_t align, bool *zeroed);
void tpi_tier_give(struct tpi_tier *tier, void *address, size_t size);
void *tpi_tier_resize(struct tpi_tier *tier, void *address, size_t old_size, size_t new_size);

/* Forgets the free runs, unmapping them: in a forked child they are still the parent's file. */
void tpi_tier_drop_free(struct tpi_tier *tier);

#endif
