/* tier.h - a tier at run time, and what a kind of memory must be able to do to be one.
 *
 * Words: a tier is one entry of the plan; a backend is the code for its kind. Every tier has one, the
 * system's own memory (DRAM) included: its smaller objects stay with the C library, and there tierprof only
 * counts.
 *
 * How memory that is in use goes from one tier to another (place/move.c):
 *   - both tiers' pages are private and anonymous, and differ by policy only: `retarget`, in place;
 *   - otherwise: fresh pages from `map`, a copy, and mremap over the old range, which gives back what was
 *     there. Both tiers' granules must divide the range.
 * What `tpi_tier_owned_by_library` holds cannot move: its pages are another allocator's.
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

/* What a tier's pages are to the kernel. */
enum tpi_memory {
    TPI_MEMORY_ANONYMOUS = 0, /* private and anonymous: a policy or an advice tells one tier from another */
    TPI_MEMORY_SHARED = 1,    /* a shared mapping of a file: a forked child needs a copy */
};

/* Sizes are multiples of the page, alignments powers of two. Optional functions may be NULL. */
struct tpi_backend {
    size_t chunk_bytes; /* what small objects are carved from */
    size_t large_align; /* alignment of runs that are at least as large */
    size_t least_bytes; /* smaller objects stay with the C library */
    enum tpi_memory memory;

    /* NULL, or in words why the tier cannot be used. May lower the tier's capacity. */
    const char *(*open)(struct tpi_tier *tier);
    /* Fresh zeroed pages, given back by munmap; NULL: the tier has none. */
    void *(*map)(struct tpi_tier *tier, size_t size, size_t align);
    /* Optional: turns a fresh private anonymous mapping of the program's own into memory of this tier, in
     * place; false: it is as it was. `disown`: a part of one, or all, has ended. */
    bool (*adopt)(struct tpi_tier *tier, void *address, size_t size);
    void (*disown)(struct tpi_tier *tier);
    /* Optional: makes private anonymous pages that are in use, whatever tier's they were, this one's: address
     * and content stay. The kernel moves what it can; false: nothing has changed. */
    bool (*retarget)(struct tpi_tier *tier, void *address, size_t size);
    /* Another allocator (memkind) may serve objects that are smaller than a chunk. */
    bool library;
    /* Runs may be moved or made larger by mremap. */
    bool movable;
};

struct tpi_tier {
    const struct tp_plan_tier *plan;
    const struct tpi_backend *backend;
    unsigned index;
    bool open;
    uint64_t capacity_bytes; /* the plan's, or what the machine has if that is less */
    size_t granule_bytes;    /* what can be mapped and unmapped: a page, which may be a huge one */
    tp_lock lock;            /* of `free` */
    struct tpi_extents free;
    uint64_t live_bytes; /* the truth; counters show it outside */
    struct tp_tier_counters *counters;
};

extern const struct tpi_backend tpi_backend_dram, tpi_backend_pmem, tpi_backend_node, tpi_backend_huge,
    tpi_backend_emulated, tpi_backend_kmem, tpi_backend_interleave, tpi_backend_hugetlb;

/* The plan's tier of this number. */
struct tpi_tier *tpi_tier_at(unsigned index);

/* Opens the tier; false, with a note, if it cannot be used. */
bool tpi_tier_open(struct tpi_tier *tier);

/* Can pages of `from` become pages of `to` where they are, by `retarget`? */
static inline bool tpi_tier_retargets(const struct tpi_tier *from, const struct tpi_tier *to) {
    return from->backend->memory == TPI_MEMORY_ANONYMOUS && to->backend->memory == TPI_MEMORY_ANONYMOUS &&
           to->backend->retarget != NULL;
}

/* Would a forked child share its pages with the parent? */
static inline bool tpi_tier_is_shared(const struct tpi_tier *tier) {
    return tier->open && tier->backend->memory == TPI_MEMORY_SHARED;
}

/* Is the object at `address` memory of another allocator (memkind), whose pages nobody else may replace? */
bool tpi_tier_owned_by_library(struct tpi_tier *tier, void *address);

/* Counts `size` bytes in unless that would exceed the capacity; out; and once they are an allocation's. */
bool tpi_tier_reserve(struct tpi_tier *tier, size_t size);
void tpi_tier_reserve_any(struct tpi_tier *tier, size_t size); /* whatever the capacity */
void tpi_tier_unreserve(struct tpi_tier *tier, size_t size);
void tpi_tier_count(struct tpi_tier *tier, size_t size);
void tpi_tier_show_peak(struct tpi_tier *tier); /* bytes that were reserved have come to be */
void tpi_tier_count_many(struct tpi_tier *tier, uint64_t allocations, uint64_t bytes);
void tpi_tier_count_spill(struct tpi_tier *tier, size_t size);

/* Pages of the tier; capacity is not their business. */
void *tpi_tier_take(struct tpi_tier *tier, size_t size, size_t align, bool own_pages, bool *zeroed);
void tpi_tier_give(struct tpi_tier *tier, void *address, size_t size);
void *tpi_tier_resize(struct tpi_tier *tier, void *address, size_t old_size, size_t new_size);

/* Leaves a note that the tier has failed for the reason in errno; only a process's first is kept. */
void tpi_tier_note_failure(const struct tpi_tier *tier);

/* Forgets the free runs, unmapping them: in a forked child they are still the parent's file. True: there were
 * some. */
bool tpi_tier_drop_free(struct tpi_tier *tier);

#endif
