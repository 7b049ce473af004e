/* slabs.h - memory of their own for the small objects of one site, so that an address tells its site and the
 * whole site can be placed and moved.
 *
 * Words: a pool is what one site owns; a chunk is a piece of its tier, 64 KiB to 2 MiB; a slab is 64 KiB of a
 * chunk that holds objects of one size class; a bin is a number for a pool and a class, and a thread's stock
 * of such objects (cache.h). All metadata lies outside the objects' pages.
 */
#ifndef TP_SLABS_H
#define TP_SLABS_H

#include "../common/hash.h"
#include "classes.h"
#include "guard.h"

#define TP_SLAB_SHIFT 16
#define TP_SLAB_BYTES ((size_t)1 << TP_SLAB_SHIFT)
#define TP_SLAB_WORDS (TP_SLAB_BYTES / TP_CLASS_STEP / 64)
#define TP_POOLS 512u /* pool 0 is none */
#define TP_BINS 2048u /* bin 0 is none; one for each class that a pool has used */

struct tpi_chunk;

struct tp_slab {
    uintptr_t start;
    uint16_t bin, pool;
    uint8_t class;
    bool listed; /* among its class's slabs with free objects */
    uint16_t n_objects, n_free;
    uint16_t first_word;               /* no word of `free` before it has a bit set */
    uint32_t object_bytes, reciprocal; /* 2^32 / object_bytes, rounded up */
    struct tpi_chunk *chunk;
    struct tp_slab *next, *previous;
    uint64_t free[TP_SLAB_WORDS]; /* a bit for each object that neither the program nor a thread's bin has */
};

/* Address to slab, in two levels as the pagemap's. Asked only where the pagemap says that a slab is. */
#define TPI_SLAB_LEAF_SHIFT (30 - TP_SLAB_SHIFT)
extern struct tp_slab **tp_slabs_top[1u << 17];

static inline struct tp_slab *tp_slab_of(uintptr_t address) {
    struct tp_slab **leaf = __atomic_load_n(&tp_slabs_top[address >> 30], __ATOMIC_ACQUIRE);
    return leaf[address >> TP_SLAB_SHIFT & ((1u << TPI_SLAB_LEAF_SHIFT) - 1)];
}

/* Rises whenever a slab is given to a class: what was known of a slab may be wrong then. */
extern uint32_t tp_slabs_generation;

/* Is any site on? While none is, the hooks' fast path does not look at call paths. */
extern bool tp_slabs_on;

/* The pool of a site, made if need be; 0: there are too many. Its tier is what further chunks ask for. */
unsigned tp_slabs_pool(tp_guard *guard, struct tp_hash128 key, uint32_t site, unsigned tier);

/* The pool that a site with this key has already, or 0. */
unsigned tp_slabs_find_pool(tp_guard *guard, struct tp_hash128 key);

/* The numbers of a pool's bins by class, 0 where there is none yet. */
const uint16_t *tp_slabs_bins(unsigned pool);

/* The bin for a class, its number given if need be; 0: there are too many. And back: TP_CLASS_NONE for a
 * number that none has. */
uint16_t tp_slabs_bin(tp_guard *guard, const uint16_t *bins, unsigned class);
unsigned tp_slabs_class(unsigned bin);

/* Objects for a thread's bin, up to `count` of them; how many there were. Giving back the same. */
unsigned tp_slabs_take(tp_guard *guard, unsigned bin, void **objects, unsigned count);
void tp_slabs_give(tp_guard *guard, unsigned bin, void *const *objects, unsigned count);

/* Gives an object back from where no lock may be waited for: in a signal handler, or inside the shim. */
void tp_slabs_defer(struct tp_slab *slab, void *object);

struct tp_slab_range {
    uintptr_t address;
    size_t size;
    uint32_t site;
    uint8_t tier;
};

/* Walks the chunks of all pools, one a call, from a cursor of zeros; false at the end. No lock is held
 * between calls: a chunk may be given back meanwhile, unless tp_slabs_pin() says true. */
struct tp_slabs_cursor {
    uint32_t pool, serial;
    const struct tpi_chunk *chunk;
};
bool tp_slabs_next(tp_guard *guard, struct tp_slabs_cursor *cursor, struct tp_slab_range *range);

/* Keeps the chunk that starts at `address` from being given back until tp_slabs_unpin; false: there is none
 * any more. tp_slabs_set_tier: it is in another tier now, with accounts and pagemap already put right. */
bool tp_slabs_pin(tp_guard *guard, uintptr_t address);
void tp_slabs_unpin(tp_guard *guard, uintptr_t address);
void tp_slabs_set_tier(tp_guard *guard, uintptr_t address, unsigned tier);

/* At the orderly end: what each site was handed out in all. */
void tp_slabs_exit(tp_guard *guard);

void tp_slabs_fork_prepare(tp_guard *guard);
void tp_slabs_fork_parent(tp_guard *guard);
void tp_slabs_fork_child(void);

#endif
