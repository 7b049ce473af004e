/* track_small.h - small objects of sites that are on: they come from slabs. Every function here may be called
 * in any state of the shim, a signal handler inside it included.
 */
#ifndef TP_TRACK_SMALL_H
#define TP_TRACK_SMALL_H

#include "cache.h"
#include "context.h"
#include "pagemap.h"
#include "track.h"

/* An object from the slabs of the site that the hook was called at; NULL: the site is not on, or there is no
 * memory, and the allocation is any other. */
void *tp_small_allocate(size_t size, size_t align, const uintptr_t *hook);

/* The same in a few instructions, if the call path is known and the thread has such an object. */
static inline void *tp_small_allocate_fast(size_t size, const uintptr_t *hook, bool *off) {
    struct tp_thread *self = &tp_self;
    void *object = NULL;
    *off = false;
    if (__builtin_expect(self->depth != 0 || size > TP_CLASS_LINEAR_BYTES, 0)) return NULL;
    self->depth = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    const struct tp_context *context = tp_context_likely(self, hook);
    if (__builtin_expect(context != NULL, 1)) {
        *off = context->bins == NULL;
        struct tp_bin *bin = *off ? NULL : &self->cache->bins[context->bins[tp_class_of(size)]];
        if (bin != NULL && bin->count > 0) {
            object = bin->objects[--bin->count];
            bin->allocations++;
            bin->bytes += size;
        }
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->depth = 0;
    return object;
}

/* For objects from slabs. */
size_t tp_small_usable_size(const void *object);
void *tp_small_realloc(void *old, size_t size, const uintptr_t *hook);
void tp_small_free_slow(void *object, unsigned bin);

/* `leaf`: of the pagemap, with the object's byte. */
static inline void tp_small_free(void *object, const uint8_t *leaf) {
    struct tp_thread *self = &tp_self;
    unsigned number = tpi_pagemap_bin(leaf, (uintptr_t)object);
    if (__builtin_expect(self->depth == 0 && self->cache != NULL, 1)) {
        struct tp_bin *bin = &self->cache->bins[number];
        self->depth = 1;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        bool room = bin->count < bin->limit;
        if (__builtin_expect(room, 1)) bin->objects[bin->count++] = object;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        self->depth = 0;
        if (__builtin_expect(room, 1)) return;
    }
    tp_small_free_slow(object, number);
}

#endif
