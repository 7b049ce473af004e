/* hooks.c - the hooks themselves: the fast path, and the way to the slow one in track.h. */
#include "hooks.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "owners.h"
#include "pagemap.h"
#include "python.h"
#include "slabs.h"
#include "track_small.h"

#define TPI_HOOK __attribute__((visibility("default")))
#define TPI_UNLIKELY(x) __builtin_expect((x), 0)

/* What the compiler keeps in front of the hook's own variables: its caller's frame pointer, and where it
 * returns to. */
#define TPI_FRAME ((const uintptr_t *)__builtin_frame_address(0))

/* May it be the start of a tracked allocation? */
static inline bool tpi_known(const void *address) {
    uintptr_t at = (uintptr_t)address;
    return TPI_UNLIKELY((tp_pagemap_get(at) & TPI_STARTS_MASK) != 0) && tp_owners_may_have(at);
}

static inline bool tpi_in_slab(const void *address) {
    return tp_pagemap_is_slab((uintptr_t)address);
}

/* A small object of a site that has memory of its own; NULL: it is any other allocation. */
static inline void *tpi_small(size_t size, size_t align, const uintptr_t *frame) {
    return tp_slabs_on && size < tp_threshold ? tp_small_allocate(size, align, frame) : NULL;
}

/* Is it the C library's alone: neither tracked nor a sample? */
static inline bool tpi_left_alone(size_t size, const uintptr_t *frame) {
    return tp_track_unseen(size) || (size < tp_plain_limit && tp_track_plain(size, frame));
}

static inline bool tpi_power_of_two(size_t align) {
    return align != 0 && (align & (align - 1)) == 0;
}

static __attribute__((noinline)) void *tpi_malloc(size_t size, const uintptr_t *frame) {
    void *small = tpi_small(size, 0, frame);
    if (small != NULL) return small;
    if (tpi_left_alone(size, frame)) return tp_real.malloc(size);
    return tp_track_allocate(&(struct tp_request){TP_CALL_MALLOC, size, 0, frame});
}

/* Recorded after the real call: the address is not known before. */
TPI_HOOK void *malloc(size_t size) {
    bool off;
    if (tp_track_passes(size)) return tp_real.malloc(size);
    if (size < tp_small_limit) {
        void *small = tp_small_allocate_fast(size, TPI_FRAME, &off);
        if (__builtin_expect(small != NULL, 1)) return small;
        if (off && tp_track_unseen(size)) return tp_real.malloc(size);
    }
    return tpi_malloc(size, TPI_FRAME);
}

static __attribute__((noinline)) void *tpi_calloc(size_t size, const uintptr_t *frame) {
    void *small = tpi_small(size, 0, frame);
    if (small != NULL) return memset(small, 0, size);
    if (tpi_left_alone(size, frame)) return tp_real.calloc(1, size);
    return tp_track_allocate(&(struct tp_request){TP_CALL_CALLOC, size, 0, frame});
}

/* Recorded after the real call. A product that overflows is the real function's to refuse. */
TPI_HOOK void *calloc(size_t count, size_t size) {
    size_t bytes;
    if (TPI_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)) || tp_track_passes(bytes))
        return tp_real.calloc(count, size);
    return tpi_calloc(bytes, TPI_FRAME);
}

/* Into a slab: by copying, and the old memory ends as any other. */
static void *tpi_realloc_to(void *small, void *old, size_t size) {
    size_t old_bytes = malloc_usable_size(old);
    memcpy(small, old, old_bytes < size ? old_bytes : size);
    free(old);
    return small;
}

static __attribute__((noinline)) void *tpi_realloc(void *old, size_t size, const uintptr_t *frame) {
    if (tpi_in_slab(old)) return tp_small_realloc(old, size, frame);
    bool known = tpi_known(old);
    void *small = old == NULL || size > 0 ? tpi_small(size, 0, frame) : NULL;
    if (small != NULL) return old != NULL ? tpi_realloc_to(small, old, size) : small;
    if (!known && tpi_left_alone(size, frame)) return tp_real.realloc(old, size);
    return tp_track_realloc(old, size, frame);
}

/* The old address is released inside the real call, so its end is timed before, and the new start after; the
 * owner is taken out before and put back if the call fails. */
TPI_HOOK void *realloc(void *old, size_t size) {
    bool foreign = (tp_pagemap_get((uintptr_t)old) & TPI_STARTS_MASK) == 0;
    if (foreign && tp_track_passes(size)) return tp_real.realloc(old, size);
    return tpi_realloc(old, size, TPI_FRAME);
}

/* As realloc. */
TPI_HOOK void *reallocarray(void *old, size_t count, size_t size) {
    size_t bytes;
    if (TPI_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    return tpi_realloc(old, bytes, TPI_FRAME);
}

/* Recorded before the real call: after it the address may be another thread's. */
TPI_HOOK void free(void *address) {
    const uint8_t *leaf = tp_pagemap_leaf((uintptr_t)address);
    unsigned starts = leaf != NULL ? tpi_pagemap_byte(leaf, (uintptr_t)address) & TPI_STARTS_MASK : 0;
    if (__builtin_expect(starts == 0, 1)) return tp_real.free(address);
    if (starts == TPI_SLAB_PAGE) return tp_small_free(address, leaf);
    if (!tp_owners_may_have((uintptr_t)address)) return tp_real.free(address);
    tp_track_free(address);
}

/* Recorded after the real call. An alignment that is not one is the real function's to refuse. */
TPI_HOOK int posix_memalign(void **to, size_t align, size_t size) {
    if (!tpi_power_of_two(align) || align % sizeof(void *) != 0 || tp_track_passes(size))
        return tp_real.posix_memalign(to, align, size);
    void *address = tpi_small(size, align, TPI_FRAME);
    if (address == NULL)
        address = tp_track_allocate(&(struct tp_request){TP_CALL_POSIX_MEMALIGN, size, align, TPI_FRAME});
    if (address == NULL) return ENOMEM;
    *to = address;
    return 0;
}

/* Recorded after the real call. */
TPI_HOOK void *aligned_alloc(size_t align, size_t size) {
    if (!tpi_power_of_two(align) || tp_track_passes(size)) return tp_real.aligned_alloc(align, size);
    void *small = tpi_small(size, align, TPI_FRAME);
    if (small != NULL) return small;
    return tp_track_allocate(&(struct tp_request){TP_CALL_ALIGNED_ALLOC, size, align, TPI_FRAME});
}

/* Recorded after the real call. */
TPI_HOOK void *memalign(size_t align, size_t size) {
    if (!tpi_power_of_two(align) || tp_track_passes(size)) return tp_real.memalign(align, size);
    void *small = tpi_small(size, align, TPI_FRAME);
    if (small != NULL) return small;
    return tp_track_allocate(&(struct tp_request){TP_CALL_MEMALIGN, size, align, TPI_FRAME});
}

/* Recorded after the real call. A page of a small object is the C library's in any case. */
TPI_HOOK void *valloc(size_t size) {
    if (tp_track_passes(size)) return tp_real.valloc(size);
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    return tp_track_allocate(&(struct tp_request){TP_CALL_VALLOC, size, page_bytes, TPI_FRAME});
}

/* Recorded after the real call. */
TPI_HOOK void *pvalloc(size_t size) {
    if (tp_track_passes(size)) return tp_real.pvalloc(size);
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    return tp_track_allocate(&(struct tp_request){TP_CALL_PVALLOC, size, page_bytes, TPI_FRAME});
}

/* Records nothing. Placed memory is not the C library's to measure. */
TPI_HOOK size_t malloc_usable_size(void *address) {
    if (tpi_in_slab(address)) return tp_small_usable_size(address);
    if (!tpi_known(address)) return tp_real.malloc_usable_size(address);
    return tp_track_usable_size(address);
}

/* Recorded after the real call; what MAP_FIXED replaces ends before it. */
TPI_HOOK void *mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset) {
    return tp_track_mmap(address, size, prot, flags, fd, offset);
}

TPI_HOOK void *mmap64(void *address, size_t size, int prot, int flags, int fd, off64_t offset) {
    return tp_track_mmap(address, size, prot, flags, fd, offset);
}

/* Recorded with the time before the real call: after it the range may be another thread's. */
TPI_HOOK int munmap(void *address, size_t size) {
    return tp_track_munmap(address, size);
}

/* The end of the old range is timed before the real call, the start of the new one after it. */
TPI_HOOK void *mremap(void *old, size_t old_size, size_t size, int flags, ...) {
    void *to = NULL;
    if (flags & MREMAP_FIXED) {
        va_list rest;
        va_start(rest, flags);
        to = va_arg(rest, void *);
        va_end(rest);
    }
    return tp_track_mremap(old, old_size, size, flags, to);
}

/* Records nothing: memory of a shared tier must do as private memory would. */
TPI_HOOK int madvise(void *address, size_t size, int advice) {
    return tp_track_madvise(address, size, advice);
}

/* As madvise. */
TPI_HOOK int mprotect(void *address, size_t size, int prot) {
    return tp_track_mprotect(address, size, prot);
}

/* Records nothing: memory of a shared tier has no faults that a program could serve. */
TPI_HOOK int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return tp_track_ioctl(fd, request, argument);
}

/* As mmap and munmap. The C library's own heap grows without it. */
TPI_HOOK void *sbrk(intptr_t increment) {
    return tp_track_sbrk(increment, tp_real.sbrk);
}

/* The C library's other name for it, which tcmalloc's own sbrk calls. */
void *__sbrk(intptr_t increment);
TPI_HOOK void *__sbrk(intptr_t increment) {
    return tp_track_sbrk(increment, tp_real.__sbrk);
}

/* Afterwards another object may be loaded where one was, and its instructions mean other stacks. */
TPI_HOOK int dlclose(void *handle) {
    tp_python_pause();
    int status = tp_real.dlclose(handle);
    tp_process_unloaded();
    return status;
}
