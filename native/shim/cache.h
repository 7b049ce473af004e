/* cache.h - each thread's own stock of free objects from slabs: what makes malloc and free of a small object
 * a few instructions. A bin holds addresses, so that objects at rest are never touched; a full one goes back
 * by halves, so an object that another thread made needs no lock on its way home either.
 */
#ifndef TP_CACHE_H
#define TP_CACHE_H

#include "slabs.h"

#define TP_BIN_OBJECTS 61u

struct tp_bin {
    uint32_t count, limit;       /* limit 0: not used yet */
    uint64_t allocations, bytes; /* handed out, as they were asked for */
    void *objects[TP_BIN_OBJECTS];
};

/* Counted by the bin's thread, and read by others at any time. */
static inline void tp_bin_count(struct tp_bin *bin, size_t size) {
    __atomic_store_n(&bin->allocations, bin->allocations + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&bin->bytes, bin->bytes + size, __ATOMIC_RELAXED);
}

/* An object that lies ready; NULL: none does. */
static inline void *tp_bin_take(struct tp_bin *bin, size_t size) {
    uint32_t count = bin->count;
    if (__builtin_expect(count == 0, 0)) return NULL;
    bin->count = count - 1;
    tp_bin_count(bin, size);
    return bin->objects[count - 1];
}

struct tp_cache {
    struct tp_bin bins[TP_BINS];       /* memory is taken as it is touched */
    struct tp_cache *next, *next_idle; /* all there are; those that no thread has */
};

/* The thread's own; NULL without memory. */
struct tp_cache *tp_cache_get(tp_guard *guard);

/* An object from the slabs, for a thread whose bin is empty; NULL without memory. */
void *tp_cache_refill(tp_guard *guard, struct tp_bin *bin);

/* For a thread that has no cache yet, or a full bin. */
void tp_cache_overflow(tp_guard *guard, unsigned number, void *object);

/* Adds what all threads were handed out from a bin. */
void tp_cache_add_counts(unsigned number, uint64_t *allocations, uint64_t *bytes);

void tp_cache_thread_end(tp_guard *guard);
void tp_cache_fork_child(void);

#endif
