/* track_small.c - see track_small.h. The recursion guard is held around every use of a bin, so that a signal
 * handler never meets a half-done one; what it allocates comes from the C library, what it frees is deferred.
 */
#include "track_small.h"

#include <errno.h>
#include <string.h>

#include "hooks.h"

/* Full unwinding: once for each new call path of the thread. */
static __attribute__((noinline)) struct tp_context *tpi_learn(struct tp_thread *self, const uintptr_t *hook) {
    tp_guard guard = {self, errno};
    struct tp_context *context = NULL;
    struct tp_site site;
    if (tp_process_ready(&guard)) context = tp_context_learn(&guard, hook, false, &site);
    errno = guard.saved_errno;
    return context;
}

/* Is the site off for certain? */
static bool tpi_off(struct tp_thread *self, const uintptr_t *hook) {
    enum tp_verdict verdict = tp_stems_ask(self, hook);
    if (__builtin_expect(verdict != TP_VERDICT_UNKNOWN, 1)) return verdict == TP_VERDICT_OFF;
    tp_guard guard = {self, errno};
    if (tp_process_ready(&guard)) tp_stems_learn(&guard, hook);
    errno = guard.saved_errno;
    return tp_stems_ask(self, hook) == TP_VERDICT_OFF;
}

static __attribute__((noinline)) struct tp_bin *tpi_new_bin(struct tp_thread *self, const uint16_t *bins,
                                                            unsigned class) {
    tp_guard guard = {self, errno};
    unsigned number = tp_slabs_bin(&guard, bins, class);
    errno = guard.saved_errno;
    return number != 0 ? &self->cache->bins[number] : NULL;
}

static __attribute__((noinline)) void *tpi_refill(struct tp_thread *self, struct tp_bin *bin) {
    tp_guard guard = {self, errno};
    void *object = tp_cache_refill(&guard, bin);
    errno = guard.saved_errno;
    return object;
}

static inline void *tpi_take(struct tp_thread *self, unsigned class, size_t size, const uintptr_t *hook) {
    if (!tpi_small_again(self, hook) && tpi_off(self, hook)) return NULL;
    struct tp_context *context = tp_context_certain(self, hook);
    if (context == NULL && (context = tpi_learn(self, hook)) == NULL) return NULL;
    if (context->bins == NULL) return NULL;
    unsigned number = __atomic_load_n(&context->bins[class], __ATOMIC_ACQUIRE);
    struct tp_bin *bin = &self->cache->bins[number];
    if (__builtin_expect(number == 0, 0) && (bin = tpi_new_bin(self, context->bins, class)) == NULL)
        return NULL;
    void *object = tp_bin_take(bin, size);
    if (__builtin_expect(object != NULL, 1)) return object;
    object = tpi_refill(self, bin);
    if (object != NULL) tp_bin_count(bin, size);
    return object;
}

void *tp_small_allocate(size_t size, size_t align, const uintptr_t *hook) {
    struct tp_thread *self = &tp_self;
    unsigned class =
        __builtin_expect(align <= TP_CLASS_STEP, 1) ? tp_class_of(size) : tp_class_aligned(size, align);
    if (class >= TP_CLASSES || self->depth != 0) return NULL;
    self->depth = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    void *object = tpi_take(self, class, size, hook);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->depth = 0;
    return object;
}

void tp_small_free_slow(void *object, unsigned bin) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) {
        tp_slabs_defer(tp_slab_of((uintptr_t)object), object);
        return;
    }
    tp_cache_overflow(&guard, bin, object);
    tp_guard_leave(&guard);
}

size_t tp_small_usable_size(const void *object) {
    return tp_slab_of((uintptr_t)object)->object_bytes;
}

/* A new one from wherever the site's memory comes from; content copied. One that fits stays where it is. */
void *tp_small_realloc(void *old, size_t size, const uintptr_t *hook) {
    const uint8_t *leaf = tp_pagemap_leaf((uintptr_t)old);
    size_t old_bytes = tp_small_usable_size(old);
    if (size == 0) { /* frees, as the C library's does */
        tp_small_free(old, leaf);
        return NULL;
    }
    if (tp_class_of(size) == tp_class_of(old_bytes)) return old;
    void *fresh = size < tp_threshold ? tp_small_allocate(size, 0, hook) : NULL;
    if (fresh == NULL) fresh = tp_track_allocate(&(struct tp_request){TP_CALL_MALLOC, size, 0, hook});
    if (fresh == NULL) return NULL;
    memcpy(fresh, old, old_bytes < size ? old_bytes : size);
    tp_small_free(old, leaf);
    return fresh;
}
