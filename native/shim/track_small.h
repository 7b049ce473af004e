/* track_small.h - small objects of sites that are on: they come from slabs. Every function here may be called
 * in any state of the shim, a signal handler inside it included.
 */
#ifndef TP_TRACK_SMALL_H
#define TP_TRACK_SMALL_H

#include "cache.h"
#include "context.h"
#include "pagemap.h"
#include "stems.h"
#include "track.h"

/* An object from the slabs of the site that the hook was called at; NULL: the site is not on, or there is no
 * memory, and the allocation is any other. */
void *tp_small_allocate(size_t size, size_t align, const uintptr_t *hook);

/* Smaller ones may come from slabs by the fast path: the threshold, or what a linear class holds; 0: no site
 * is on. */
extern size_t tp_small_limit;

/* Does it look like the last call path once more? Then that is asked first. */
static inline bool tpi_small_again(const struct tp_thread *self, const uintptr_t *hook) {
    const struct tp_context *recent = self->recent;
    return recent != NULL && recent->hook == hook && recent->pc == hook[1];
}

/* The same in a few instructions, if the call path is known and the thread has such an object. *off: the site
 * is not on, which is mostly told without a look at the path as a whole. */
static inline __attribute__((always_inline)) void *tp_small_allocate_fast(size_t size, const uintptr_t *hook,
                                                                          bool *off) {
    struct tp_thread *self = &tp_self;
    void *object = NULL;
    *off = false;
    if (__builtin_expect(self->depth != 0, 0)) return NULL;
    if (!tpi_small_again(self, hook)) {
        enum tp_verdict verdict = tp_stems_ask(self, hook);
        *off = verdict == TP_VERDICT_OFF;
        if (verdict != TP_VERDICT_MAY) return NULL;
    }
    self->depth = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    const struct tp_context *context = tp_context_likely(self, hook);
    if (__builtin_expect(context != NULL, 1)) {
        *off = context->bins == NULL;
        if (!*off) object = tp_bin_take(&self->cache->bins[context->bins[tp_class_of(size)]], size);
    }
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->depth = 0;
    return object;
}

/* For objects from slabs. */
size_t tp_small_usable_size(const void *object);
void *tp_small_realloc(void *old, size_t size, const uintptr_t *hook);
void tp_small_free_slow(void *object, unsigned bin);

/* The bin of an object's slab. That of the thread's last free is at hand: whoever frees one mostly frees its
 * neighbours, and a guess that the processor makes costs less than three loads that wait for each other. */
static inline struct tp_bin *tpi_small_bin(struct tp_thread *self, const void *object, const uint8_t *leaf) {
    uintptr_t slab = (uintptr_t)object >> TP_SLAB_SHIFT;
    uint32_t generation = __atomic_load_n(&tp_slabs_generation, __ATOMIC_ACQUIRE);
    if (__builtin_expect(self->slab == slab && self->slab_generation == generation, 1)) return self->slab_bin;
    self->slab = slab;
    self->slab_generation = generation;
    return self->slab_bin = &self->cache->bins[tpi_pagemap_bin(leaf, (uintptr_t)object)];
}

/* `leaf`: of the pagemap, with the object's byte. */
static inline void tp_small_free(void *object, const uint8_t *leaf) {
    struct tp_thread *self = &tp_self;
    bool room = false;
    if (__builtin_expect(self->depth == 0 && self->cache != NULL, 1)) {
        self->depth = 1;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        struct tp_bin *bin = tpi_small_bin(self, object, leaf);
        uint32_t count = bin->count;
        room = count < bin->limit;
        if (__builtin_expect(room, 1)) {
            bin->objects[count] = object;
            bin->count = count + 1;
        }
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        self->depth = 0;
    }
    if (__builtin_expect(!room, 0)) tp_small_free_slow(object, tpi_pagemap_bin(leaf, (uintptr_t)object));
}

#endif
