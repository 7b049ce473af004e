/* cache.c - see cache.h. A cache outlives its thread and serves the next one: programs that start ten
 * thousand threads in turn map one.
 */
#include "cache.h"

#include "../common/rawio.h"
#include "process.h"

enum { TPI_BIN_BYTES = 16384, TPI_BIN_LEAST = 4 };

_Static_assert(sizeof(struct tp_bin) == 512, "a bin is found by a shift");

static tp_lock tpi_lock = TP_LOCK_INIT;
static struct tp_cache *tpi_all, *tpi_idle;

struct tp_cache *tp_cache_get(tp_guard *guard) {
    struct tp_thread *self = guard->self;
    if (self->cache != NULL || !tp_process_ready(guard)) return self->cache;
    tp_guard_lock(guard, &tpi_lock);
    struct tp_cache *cache = tpi_idle;
    if (cache != NULL) {
        tpi_idle = cache->next_idle;
    } else if ((cache = tp_raw_pages(sizeof *cache)) != NULL) {
        cache->next = tpi_all;
        __atomic_store_n(&tpi_all, cache, __ATOMIC_RELEASE);
    }
    tp_guard_unlock(guard, &tpi_lock);
    return self->cache = cache;
}

static unsigned tpi_number(tp_guard *guard, const struct tp_bin *bin) {
    return (unsigned)(bin - guard->self->cache->bins);
}

static void tpi_set_limit(struct tp_bin *bin, unsigned number) {
    unsigned limit = TPI_BIN_BYTES / tp_class_bytes(tp_slabs_class(number));
    bin->limit = limit > TP_BIN_OBJECTS ? TP_BIN_OBJECTS : limit < TPI_BIN_LEAST ? TPI_BIN_LEAST : limit;
}

void *tp_cache_refill(tp_guard *guard, struct tp_bin *bin) {
    unsigned number = tpi_number(guard, bin);
    if (bin->limit == 0) tpi_set_limit(bin, number);
    bin->count = tp_slabs_take(guard, number, bin->objects, bin->limit / 2);
    return bin->count > 0 ? bin->objects[--bin->count] : NULL;
}

void tp_cache_overflow(tp_guard *guard, unsigned number, void *object) {
    struct tp_cache *cache = tp_cache_get(guard);
    if (cache == NULL) {
        tp_slabs_give(guard, number, &object, 1);
        return;
    }
    struct tp_bin *bin = &cache->bins[number];
    if (bin->limit == 0) tpi_set_limit(bin, number);
    if (bin->count == bin->limit) { /* those that have rested longest */
        unsigned half = bin->limit / 2;
        tp_slabs_give(guard, number, bin->objects, half);
        bin->count -= half;
        for (unsigned i = 0; i < bin->count; i++)
            bin->objects[i] = bin->objects[i + half];
    }
    bin->objects[bin->count++] = object;
}

void tp_cache_add_counts(unsigned number, uint64_t *allocations, uint64_t *bytes) {
    struct tp_cache *cache = number != 0 ? __atomic_load_n(&tpi_all, __ATOMIC_ACQUIRE) : NULL;
    for (; cache != NULL; cache = cache->next) {
        *allocations += __atomic_load_n(&cache->bins[number].allocations, __ATOMIC_RELAXED);
        *bytes += __atomic_load_n(&cache->bins[number].bytes, __ATOMIC_RELAXED);
    }
}

void tp_cache_thread_end(tp_guard *guard) {
    struct tp_cache *cache = guard->self->cache;
    guard->self->cache = NULL;
    guard->self->slab = 0;
    if (cache == NULL) return;
    for (unsigned number = 1; number < TP_BINS && tp_slabs_class(number) != TP_CLASS_NONE; number++) {
        struct tp_bin *bin = &cache->bins[number];
        if (bin->count == 0) continue;
        tp_slabs_give(guard, number, bin->objects, bin->count);
        bin->count = 0;
    }
    tp_guard_lock(guard, &tpi_lock);
    cache->next_idle = tpi_idle;
    tpi_idle = cache;
    tp_guard_unlock(guard, &tpi_lock);
}

/* What the child is handed out is counted anew. What other threads had in their bins is lost to it: they are
 * not there to give it back. */
void tp_cache_fork_child(void) {
    tp_lock_renew(&tpi_lock);
    for (struct tp_cache *cache = tpi_all; cache != NULL; cache = cache->next)
        for (unsigned number = 1; number < TP_BINS && tp_slabs_class(number) != TP_CLASS_NONE; number++)
            if (cache->bins[number].allocations != 0)
                cache->bins[number].allocations = cache->bins[number].bytes = 0;
}
