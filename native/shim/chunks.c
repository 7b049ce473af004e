/* chunks.c - see chunks.h. Descriptors are never unmapped, only used again: a free() of an address that was
 * freed before must meet a descriptor, whatever it says.
 */
#include "chunks.h"

#include <string.h>

#include "../common/rawio.h"
#include "../place/place.h"
#include "pagemap.h"

enum { TPI_GROUPS = 6, TPI_ARENA_BYTES = 1 << 20 }; /* 1, 2, 4 ... 32 slabs */

struct tp_slab **tp_slabs_top[1u << 17];

static tp_lock tpi_lock = TP_LOCK_INIT;
static struct tpi_chunk *tpi_unused[TPI_GROUPS];
static char *tpi_arena, *tpi_arena_end;

static unsigned tpi_group(unsigned n_slabs) {
    return (unsigned)__builtin_ctz(n_slabs);
}

static void *tpi_arena_take(size_t bytes) {
    bytes = (bytes + 63) & ~(size_t)63;
    if ((size_t)(tpi_arena_end - tpi_arena) < bytes) {
        char *pages = tp_raw_pages(TPI_ARENA_BYTES);
        if (pages == NULL) return NULL;
        tpi_arena = pages;
        tpi_arena_end = pages + TPI_ARENA_BYTES;
    }
    char *taken = tpi_arena;
    tpi_arena += bytes;
    return taken;
}

/* With zeroed fields but its slabs', which are set when they are given a class. */
static struct tpi_chunk *tpi_descriptor(tp_guard *guard, unsigned n_slabs) {
    unsigned group = tpi_group(n_slabs);
    tp_guard_lock(guard, &tpi_lock);
    struct tpi_chunk *chunk = tpi_unused[group];
    struct tp_slab *slabs = chunk != NULL ? chunk->slabs : NULL;
    if (chunk != NULL) {
        tpi_unused[group] = chunk->next;
    } else {
        chunk = tpi_arena_take(sizeof *chunk);
        slabs = chunk != NULL ? tpi_arena_take(n_slabs * sizeof *slabs) : NULL;
    }
    tp_guard_unlock(guard, &tpi_lock);
    if (slabs == NULL) return NULL;
    memset(chunk, 0, sizeof *chunk);
    chunk->slabs = slabs;
    return chunk;
}

static void tpi_descriptor_drop(tp_guard *guard, struct tpi_chunk *chunk) {
    unsigned group = tpi_group(tpi_chunk_slabs(chunk));
    tp_guard_lock(guard, &tpi_lock);
    chunk->next = tpi_unused[group];
    tpi_unused[group] = chunk;
    tp_guard_unlock(guard, &tpi_lock);
}

/* A mapping of the shim's own, at a multiple of a slab's size. */
static void *tpi_map_own(size_t size) {
    size_t more = size + TP_SLAB_BYTES;
    char *pages = tp_raw_pages(more);
    if (pages == NULL) return NULL;
    size_t before = -(uintptr_t)pages & (TP_SLAB_BYTES - 1);
    if (before > 0) tp_raw_munmap(pages, before);
    if (more - size > before) tp_raw_munmap(pages + before + size, more - size - before);
    return pages + before;
}

static bool tpi_map(struct tpi_chunk *chunk, unsigned tier, size_t size) {
    unsigned got = 0;
    bool zeroed;
    chunk->placed = tp_place_active();
    void *pages =
        chunk->placed ? tp_place_pages(tier, size, TP_SLAB_BYTES, &got, &zeroed) : tpi_map_own(size);
    if (pages == NULL) return false;
    chunk->start = (uintptr_t)pages;
    chunk->size = size;
    chunk->tier = (uint8_t)got;
    chunk->wanted = got == tier;
    return true;
}

static void tpi_unmap(const struct tpi_chunk *chunk) {
    if (chunk->placed)
        tp_place_release((void *)chunk->start, chunk->size, chunk->tier);
    else
        tp_raw_munmap((void *)chunk->start, chunk->size);
}

/* Leaves of the address table are made on first use and never given back. */
static bool tpi_enter(const struct tpi_chunk *chunk, bool present) {
    for (unsigned i = 0; i < tpi_chunk_slabs(chunk); i++) {
        uintptr_t address = chunk->start + i * TP_SLAB_BYTES;
        struct tp_slab ***top = &tp_slabs_top[address >> 30];
        struct tp_slab **leaf = __atomic_load_n(top, __ATOMIC_ACQUIRE);
        if (leaf == NULL) {
            size_t bytes = sizeof *leaf << TPI_SLAB_LEAF_SHIFT;
            struct tp_slab **fresh = tp_raw_pages(bytes);
            if (fresh == NULL) return false;
            if (__atomic_compare_exchange_n(top, &leaf, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
                leaf = fresh;
            else
                tp_raw_munmap(fresh, bytes);
        }
        /* An entry stays when its chunk goes: a wrong free() still finds a descriptor. */
        if (present) leaf[address >> TP_SLAB_SHIFT & ((1u << TPI_SLAB_LEAF_SHIFT) - 1)] = &chunk->slabs[i];
    }
    return tp_pagemap_set_slab(chunk->start, chunk->size, present) == 0;
}

struct tpi_chunk *tpi_chunk_new(unsigned tier, size_t size) {
    tp_guard guard = {&tp_self, 0};
    unsigned n_slabs = (unsigned)(size >> TP_SLAB_SHIFT);
    struct tpi_chunk *chunk = tpi_descriptor(&guard, n_slabs);
    if (chunk == NULL) return NULL;
    chunk->size = size; /* tells the group it goes back to */
    if (tpi_map(chunk, tier, size)) {
        for (unsigned i = 0; i < n_slabs; i++) {
            chunk->slabs[i].start = chunk->start + i * TP_SLAB_BYTES;
            chunk->slabs[i].chunk = chunk;
        }
        chunk->free_slabs = n_slabs == TP_CHUNK_SLABS ? UINT32_MAX : (1u << n_slabs) - 1;
        if (chunk->start >> 47 == 0 && tpi_enter(chunk, true)) return chunk;
        tpi_unmap(chunk);
    }
    tpi_descriptor_drop(&guard, chunk);
    return NULL;
}

void tpi_chunk_release(struct tpi_chunk *chunk) {
    tp_guard guard = {&tp_self, 0};
    tpi_enter(chunk, false); /* before another thread can get the pages */
    tpi_unmap(chunk);
    tpi_descriptor_drop(&guard, chunk);
}

void tpi_chunks_fork_prepare(tp_guard *guard) {
    tp_guard_lock(guard, &tpi_lock);
}
void tpi_chunks_fork_parent(tp_guard *guard) {
    tp_guard_unlock(guard, &tpi_lock);
}
void tpi_chunks_fork_child(void) {
    tp_lock_renew(&tpi_lock);
}
