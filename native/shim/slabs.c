/* slabs.c - see slabs.h. Each pool has a lock of its own, which only a thread whose bin is empty or full
 * takes. Objects that may not wait for it are linked into the pool's deferred list, through themselves.
 */
#include "slabs.h"

#include <string.h>

#include "../common/rawio.h"
#include "cache.h"
#include "chunks.h"
#include "counters.h"
#include "engine.h"
#include "pagemap.h"
#include "process.h"
#include "stream.h"

enum {
    TPI_CHUNK_LEAST_BYTES = TP_SLAB_BYTES,
    TPI_CHUNK_MOST_BYTES = TP_CHUNK_SLABS * TP_SLAB_BYTES,
    TPI_CHUNK_SHARE = 4 /* of the pool's bytes at least; a quarter of them may lie in a chunk just begun */
};

struct tpi_list {
    struct tp_slab *first, *last;
};

struct tpi_pool {
    tp_lock lock;
    uint32_t site;
    uint8_t tier;
    struct tp_hash128 key;
    uint32_t serial;
    unsigned n_free_slabs;
    size_t bytes;             /* of all chunks */
    size_t chunk_bytes;       /* of the next one */
    struct tpi_chunk *chunks; /* newest first */
    void *deferred;           /* freed objects, each holding the next one's address */
    uint16_t bins[TP_CLASSES];
    struct tpi_list listed[TP_CLASSES];
} __attribute__((aligned(64)));

bool tp_slabs_on;
uint32_t tp_slabs_generation;
static struct tpi_pool *tpi_pools; /* TP_POOLS of them, memory taken as it is touched */
static uint32_t tpi_n_pools = 1;   /* written with the lock of sites.c held */

static struct {
    uint16_t pool;
    uint8_t class;
} tpi_bins[TP_BINS];
static uint32_t tpi_n_bins = 1;

static void tpi_record(tp_guard *guard, enum tp_record_type type, const struct tpi_pool *pool,
                       const struct tpi_chunk *chunk) {
    bool ends = type == TP_FREE;
    if (!tp_process_records()) return;
    tp_stream_write(guard, &(struct tp_record){.time_ns = tp_now_ns(),
                                               .address = chunk->start,
                                               .size = ends ? 0 : chunk->size,
                                               .site = ends ? TP_SITE_NONE : pool->site,
                                               .type = (uint8_t)type,
                                               .tier = chunk->tier,
                                               .flags = chunk->wanted ? 0 : TP_FLAG_SPILL});
}

/* Smaller ones are tried where a large one cannot be had. */
static struct tpi_chunk *tpi_grow(tp_guard *guard, struct tpi_pool *pool) {
    struct tpi_chunk *chunk = NULL;
    for (size_t size = pool->chunk_bytes; chunk == NULL && size >= TPI_CHUNK_LEAST_BYTES; size /= 2)
        chunk = tpi_chunk_new(pool->tier, size);
    if (chunk == NULL) return NULL;
    pool->bytes += chunk->size;
    if (pool->chunk_bytes < TPI_CHUNK_MOST_BYTES && pool->bytes / TPI_CHUNK_SHARE >= 2 * pool->chunk_bytes)
        pool->chunk_bytes *= 2;
    chunk->serial = ++pool->serial;
    chunk->pool = (uint16_t)(pool - tpi_pools);
    chunk->next = pool->chunks;
    if (chunk->next != NULL) chunk->next->previous = chunk;
    pool->chunks = chunk;
    pool->n_free_slabs += tpi_chunk_slabs(chunk);
    tp_engine_claim(chunk->start, chunk->size, pool->site);
    tpi_record(guard, TP_SLAB, pool, chunk);
    tp_count(&tp_counters->small_site_bytes, chunk->size);
    return chunk;
}

static void tpi_shrink(tp_guard *guard, struct tpi_pool *pool, struct tpi_chunk *chunk) {
    if (chunk->previous != NULL)
        chunk->previous->next = chunk->next;
    else
        pool->chunks = chunk->next;
    if (chunk->next != NULL) chunk->next->previous = chunk->previous;
    pool->n_free_slabs -= tpi_chunk_slabs(chunk);
    pool->bytes -= chunk->size;
    tpi_record(guard, TP_FREE, pool, chunk);
    tp_engine_release(chunk->start, chunk->size);
    chunk->pool = 0;
    tp_count(&tp_counters->small_site_bytes, -chunk->size);
    tpi_chunk_release(chunk);
}

static void tpi_list(struct tpi_list *list, struct tp_slab *slab) {
    slab->listed = true;
    slab->next = NULL;
    slab->previous = list->last;
    if (list->last != NULL)
        list->last->next = slab;
    else
        list->first = slab;
    list->last = slab;
}

static void tpi_unlist(struct tpi_list *list, struct tp_slab *slab) {
    slab->listed = false;
    if (slab->previous != NULL)
        slab->previous->next = slab->next;
    else
        list->first = slab->next;
    if (slab->next != NULL)
        slab->next->previous = slab->previous;
    else
        list->last = slab->previous;
}

/* Gives a free slab to a class. */
static void tpi_format(struct tp_slab *slab, unsigned pool, unsigned class) {
    slab->pool = (uint16_t)pool;
    slab->bin = tpi_pools[pool].bins[class];
    tp_pagemap_set_bin(slab->start, slab->bin);
    __atomic_fetch_add(&tp_slabs_generation, 1, __ATOMIC_ACQ_REL);
    slab->class = (uint8_t)class;
    slab->object_bytes = tp_class_bytes(class);
    slab->reciprocal = UINT32_MAX / slab->object_bytes + 1;
    slab->n_free = slab->n_objects = (uint16_t)(TP_SLAB_BYTES / slab->object_bytes);
    slab->first_word = 0;
    memset(slab->free, 0, sizeof slab->free);
    memset(slab->free, 0xff, slab->n_objects / 64 * sizeof slab->free[0]);
    if (slab->n_objects % 64 != 0) slab->free[slab->n_objects / 64] = (1ull << slab->n_objects % 64) - 1;
}

static struct tp_slab *tpi_new_slab(tp_guard *guard, struct tpi_pool *pool, unsigned class) {
    struct tpi_chunk *chunk = pool->n_free_slabs > 0 ? pool->chunks : tpi_grow(guard, pool);
    while (chunk != NULL && chunk->free_slabs == 0)
        chunk = chunk->next;
    if (chunk == NULL) return NULL;
    unsigned number = (unsigned)__builtin_ctz(chunk->free_slabs);
    chunk->free_slabs &= chunk->free_slabs - 1;
    pool->n_free_slabs--;
    tpi_format(&chunk->slabs[number], (unsigned)(pool - tpi_pools), class);
    tpi_list(&pool->listed[class], &chunk->slabs[number]);
    return &chunk->slabs[number];
}

/* Nothing of the slab is in use: it goes back to its chunk, and the chunk to its tier, unless they are the
 * last ones in reserve. */
static void tpi_empty(tp_guard *guard, struct tpi_pool *pool, struct tp_slab *slab) {
    struct tpi_list *list = &pool->listed[slab->class];
    struct tpi_chunk *chunk = slab->chunk;
    if (list->first == list->last) return;
    tpi_unlist(list, slab);
    chunk->free_slabs |= 1u << (slab - chunk->slabs);
    pool->n_free_slabs++;
    unsigned n_slabs = tpi_chunk_slabs(chunk);
    if ((unsigned)__builtin_popcount(chunk->free_slabs) == n_slabs && pool->n_free_slabs > n_slabs &&
        chunk->pins == 0)
        tpi_shrink(guard, pool, chunk);
}

/* What is no object's start, or is free already, is a fault of the program's, and left alone. */
static void tpi_give(tp_guard *guard, struct tpi_pool *pool, void *object) {
    struct tp_slab *slab = tp_slab_of((uintptr_t)object);
    uint32_t offset = (uint32_t)((uintptr_t)object - slab->start);
    uint32_t number = (uint32_t)((uint64_t)offset * slab->reciprocal >> 32);
    uint64_t bit = 1ull << number % 64;
    if (&tpi_pools[slab->pool] != pool || number * slab->object_bytes != offset) return;
    if (number >= slab->n_objects || (slab->free[number / 64] & bit) != 0) return;
    slab->free[number / 64] |= bit;
    if (number / 64 < slab->first_word) slab->first_word = (uint16_t)(number / 64);
    slab->n_free++;
    if (!slab->listed) tpi_list(&pool->listed[slab->class], slab);
    if (slab->n_free == slab->n_objects) tpi_empty(guard, pool, slab);
}

static void tpi_collect_deferred(tp_guard *guard, struct tpi_pool *pool) {
    if (__atomic_load_n(&pool->deferred, __ATOMIC_RELAXED) == NULL) return;
    void *object = __atomic_exchange_n(&pool->deferred, NULL, __ATOMIC_ACQUIRE);
    while (object != NULL) {
        void *next = *(void **)object;
        tpi_give(guard, pool, object);
        object = next;
    }
}

/* Lowest addresses first, so that pages are touched one after the other. */
static unsigned tpi_take_from(struct tpi_list *list, struct tp_slab *slab, void **objects, unsigned count) {
    unsigned taken = 0;
    for (unsigned word = slab->first_word; taken < count && slab->n_free > 0; slab->first_word = word++) {
        uint64_t bits = slab->free[word];
        for (; bits != 0 && taken < count; bits &= bits - 1, slab->n_free--)
            objects[taken++] = (void *)(slab->start + (word * 64 + (unsigned)__builtin_ctzll(bits)) *
                                                          (uintptr_t)slab->object_bytes);
        slab->free[word] = bits;
    }
    if (slab->n_free == 0) tpi_unlist(list, slab);
    return taken;
}

const uint16_t *tp_slabs_bins(unsigned pool) {
    return tpi_pools[pool].bins;
}

uint16_t tp_slabs_bin(tp_guard *guard, const uint16_t *bins, unsigned class) {
    size_t offset = (size_t)((const char *)bins - (const char *)tpi_pools);
    struct tpi_pool *pool = &tpi_pools[offset / sizeof *tpi_pools];
    tp_guard_lock(guard, &pool->lock);
    if (pool->bins[class] == 0) {
        uint32_t number = __atomic_fetch_add(&tpi_n_bins, 1, __ATOMIC_RELAXED);
        if (number < TP_BINS) {
            tpi_bins[number].pool = (uint16_t)(pool - tpi_pools);
            tpi_bins[number].class = (uint8_t)class;
            __atomic_store_n(&pool->bins[class], (uint16_t)number, __ATOMIC_RELEASE);
        } else {
            __atomic_store_n(&tpi_n_bins, TP_BINS, __ATOMIC_RELAXED);
        }
    }
    tp_guard_unlock(guard, &pool->lock);
    return pool->bins[class];
}

unsigned tp_slabs_class(unsigned bin) {
    return bin < __atomic_load_n(&tpi_n_bins, __ATOMIC_ACQUIRE) ? tpi_bins[bin].class : TP_CLASS_NONE;
}

unsigned tp_slabs_take(tp_guard *guard, unsigned bin, void **objects, unsigned count) {
    struct tpi_pool *pool = &tpi_pools[tpi_bins[bin].pool];
    unsigned class = tpi_bins[bin].class;
    struct tpi_list *list = &pool->listed[class];
    unsigned taken = 0;
    tp_guard_lock(guard, &pool->lock);
    tpi_collect_deferred(guard, pool);
    while (taken < count) {
        struct tp_slab *slab = list->first != NULL ? list->first : tpi_new_slab(guard, pool, class);
        if (slab == NULL) break;
        taken += tpi_take_from(list, slab, objects + taken, count - taken);
    }
    tp_guard_unlock(guard, &pool->lock);
    /* The lowest address is handed out first: a bin is used from its end. */
    for (unsigned i = 0; i < taken / 2; i++) {
        void *other = objects[i];
        objects[i] = objects[taken - 1 - i];
        objects[taken - 1 - i] = other;
    }
    return taken;
}

void tp_slabs_give(tp_guard *guard, unsigned bin, void *const *objects, unsigned count) {
    struct tpi_pool *pool = &tpi_pools[tpi_bins[bin].pool];
    tp_guard_lock(guard, &pool->lock);
    for (unsigned i = 0; i < count; i++)
        tpi_give(guard, pool, objects[i]);
    tp_guard_unlock(guard, &pool->lock);
}

void tp_slabs_defer(struct tp_slab *slab, void *object) {
    struct tpi_pool *pool = &tpi_pools[slab->pool];
    void *first = __atomic_load_n(&pool->deferred, __ATOMIC_RELAXED);
    do
        *(void **)object = first;
    while (!__atomic_compare_exchange_n(&pool->deferred, &first, object, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
}

unsigned tp_slabs_find_pool(tp_guard *guard, struct tp_hash128 key) {
    for (unsigned i = 1; i < tpi_n_pools; i++)
        if (tpi_pools[i].key.hi == key.hi && tpi_pools[i].key.lo == key.lo) return i;
    return 0;
}

unsigned tp_slabs_pool(tp_guard *guard, struct tp_hash128 key, uint32_t site, unsigned tier) {
    unsigned number = tp_slabs_find_pool(guard, key);
    if (tpi_pools == NULL) tpi_pools = tp_raw_pages(TP_POOLS * sizeof *tpi_pools);
    if (tpi_pools == NULL || (number == 0 && tpi_n_pools == TP_POOLS)) return 0;
    struct tpi_pool *pool = &tpi_pools[number != 0 ? number : tpi_n_pools];
    pool->site = site;
    pool->tier = (uint8_t)tier;
    if (number != 0) return number;
    pool->key = key;
    pool->chunk_bytes = TPI_CHUNK_LEAST_BYTES;
    tp_count(&tp_counters->small_sites, 1);
    __atomic_store_n(&tpi_n_pools, tpi_n_pools + 1, __ATOMIC_RELEASE);
    return tpi_n_pools - 1;
}

static bool tpi_next_chunk(struct tpi_pool *pool, struct tp_slabs_cursor *cursor) {
    const struct tpi_chunk *chunk = cursor->chunk;
    bool stands = chunk != NULL && chunk->pool == cursor->pool && chunk->serial == cursor->serial;
    for (chunk = stands ? chunk->next : pool->chunks; chunk != NULL; chunk = chunk->next) {
        if (cursor->chunk != NULL && chunk->serial >= cursor->serial) continue;
        cursor->chunk = chunk;
        cursor->serial = chunk->serial;
        return true;
    }
    return false;
}

bool tp_slabs_next(tp_guard *guard, struct tp_slabs_cursor *cursor, struct tp_slab_range *range) {
    if (cursor->pool == 0) cursor->pool = 1;
    for (; cursor->pool < __atomic_load_n(&tpi_n_pools, __ATOMIC_ACQUIRE); cursor->pool++) {
        struct tpi_pool *pool = &tpi_pools[cursor->pool];
        tp_guard_lock(guard, &pool->lock);
        bool found = tpi_next_chunk(pool, cursor);
        if (found)
            *range = (struct tp_slab_range){cursor->chunk->start, cursor->chunk->size, pool->site,
                                            cursor->chunk->tier};
        tp_guard_unlock(guard, &pool->lock);
        if (found) return true;
        cursor->chunk = NULL;
    }
    return false;
}

/* The chunk that starts at `address`, with its pool's lock held; NULL: none does. */
static struct tpi_chunk *tpi_lock_chunk(tp_guard *guard, uintptr_t address) {
    if (!tp_pagemap_is_slab(address)) return NULL;
    struct tpi_chunk *chunk = tp_slab_of(address)->chunk;
    unsigned number = __atomic_load_n(&chunk->pool, __ATOMIC_RELAXED);
    if (number == 0) return NULL;
    tp_guard_lock(guard, &tpi_pools[number].lock);
    if (chunk->pool == number && chunk->start == address) return chunk;
    tp_guard_unlock(guard, &tpi_pools[number].lock);
    return NULL;
}

bool tp_slabs_pin(tp_guard *guard, uintptr_t address) {
    struct tpi_chunk *chunk = tpi_lock_chunk(guard, address);
    if (chunk == NULL) return false;
    chunk->pins++;
    tp_guard_unlock(guard, &tpi_pools[chunk->pool].lock);
    return true;
}

void tp_slabs_unpin(tp_guard *guard, uintptr_t address) {
    struct tpi_chunk *chunk = tpi_lock_chunk(guard, address);
    if (chunk == NULL) return;
    chunk->pins -= chunk->pins > 0;
    tp_guard_unlock(guard, &tpi_pools[chunk->pool].lock);
}

void tp_slabs_set_tier(tp_guard *guard, uintptr_t address, unsigned tier) {
    struct tpi_chunk *chunk = tpi_lock_chunk(guard, address);
    if (chunk == NULL) return;
    chunk->tier = (uint8_t)tier;
    tp_guard_unlock(guard, &tpi_pools[chunk->pool].lock);
}

void tp_slabs_exit(tp_guard *guard) {
    for (unsigned i = 1; i < tpi_n_pools; i++) {
        uint64_t allocations = 0, bytes = 0;
        for (unsigned class = 0; class < TP_CLASSES; class++)
            tp_cache_add_counts(tpi_pools[i].bins[class], &allocations, &bytes);
        tp_count(&tp_counters->small_site_allocations, allocations);
        if (!tp_process_records()) continue;
        tp_stream_write(guard, &(struct tp_record){.time_ns = tp_now_ns(),
                                                   .address = allocations,
                                                   .size = bytes,
                                                   .site = tpi_pools[i].site,
                                                   .type = TP_SLAB_TOTAL,
                                                   .tier = tpi_pools[i].tier});
    }
}

void tp_slabs_fork_prepare(tp_guard *guard) {
    for (unsigned i = 1; i < tpi_n_pools; i++)
        tp_guard_lock(guard, &tpi_pools[i].lock);
    tpi_chunks_fork_prepare(guard);
}

void tp_slabs_fork_parent(tp_guard *guard) {
    tpi_chunks_fork_parent(guard);
    for (unsigned i = tpi_n_pools; i-- > 1;)
        tp_guard_unlock(guard, &tpi_pools[i].lock);
}

/* What it hands out is counted anew: what the parent did is in the parent's records. */
void tp_slabs_fork_child(void) {
    tpi_chunks_fork_child();
    for (unsigned i = 1; i < tpi_n_pools; i++)
        tp_lock_renew(&tpi_pools[i].lock);
    tp_cache_fork_child();
}
