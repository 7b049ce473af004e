/* hooks.c - the hooks themselves: the fast path, and the way to the slow one in track.h. */
#include "hooks.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pagemap.h"
#include "track.h"

#define TPI_HOOK __attribute__((visibility("default")))
#define TPI_UNLIKELY(x) __builtin_expect((x), 0)

/* May it be the start of something that the shim knows? */
static inline bool tpi_known(const void *address) {
    return tp_pagemap_may_start((uintptr_t)address);
}

static inline bool tpi_power_of_two(size_t align) {
    return align != 0 && (align & (align - 1)) == 0;
}

/* Recorded after the real call: the address is not known before. */
TPI_HOOK void *malloc(size_t size) {
    if (tp_track_passes(size)) return tp_real.malloc(size);
    return tp_track_allocate(&(struct tp_request){TP_CALL_MALLOC, size, 0});
}

/* Recorded after the real call. A product that overflows is the real function's to refuse. */
TPI_HOOK void *calloc(size_t count, size_t size) {
    size_t bytes;
    if (TPI_UNLIKELY(__builtin_mul_overflow(count, size, &bytes)) || tp_track_passes(bytes))
        return tp_real.calloc(count, size);
    return tp_track_allocate(&(struct tp_request){TP_CALL_CALLOC, bytes, 0});
}

/* The old address is released inside the real call, so its end is timed before, and the new start after; the
 * owner is taken out before and put back if the call fails. */
TPI_HOOK void *realloc(void *old, size_t size) {
    if (!tpi_known(old) && tp_track_passes(size)) return tp_real.realloc(old, size);
    return tp_track_realloc(old, size);
}

/* As realloc. */
TPI_HOOK void *reallocarray(void *old, size_t count, size_t size) {
    size_t bytes;
    if (TPI_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

/* Recorded before the real call: after it the address may be another thread's. */
TPI_HOOK void free(void *address) {
    if (!tpi_known(address)) return tp_real.free(address);
    tp_track_free(address);
}

/* Recorded after the real call. An alignment that is not one is the real function's to refuse. */
TPI_HOOK int posix_memalign(void **to, size_t align, size_t size) {
    if (!tpi_power_of_two(align) || align % sizeof(void *) != 0 || tp_track_passes(size))
        return tp_real.posix_memalign(to, align, size);
    void *address = tp_track_allocate(&(struct tp_request){TP_CALL_POSIX_MEMALIGN, size, align});
    if (address == NULL) return ENOMEM;
    *to = address;
    return 0;
}

/* Recorded after the real call. */
TPI_HOOK void *aligned_alloc(size_t align, size_t size) {
    if (!tpi_power_of_two(align) || tp_track_passes(size)) return tp_real.aligned_alloc(align, size);
    return tp_track_allocate(&(struct tp_request){TP_CALL_ALIGNED_ALLOC, size, align});
}

/* Recorded after the real call. */
TPI_HOOK void *memalign(size_t align, size_t size) {
    if (!tpi_power_of_two(align) || tp_track_passes(size)) return tp_real.memalign(align, size);
    return tp_track_allocate(&(struct tp_request){TP_CALL_MEMALIGN, size, align});
}

/* Recorded after the real call. */
TPI_HOOK void *valloc(size_t size) {
    if (tp_track_passes(size)) return tp_real.valloc(size);
    return tp_track_allocate(&(struct tp_request){TP_CALL_VALLOC, size, (size_t)sysconf(_SC_PAGESIZE)});
}

/* Recorded after the real call. */
TPI_HOOK void *pvalloc(size_t size) {
    if (tp_track_passes(size)) return tp_real.pvalloc(size);
    return tp_track_allocate(&(struct tp_request){TP_CALL_PVALLOC, size, (size_t)sysconf(_SC_PAGESIZE)});
}

/* Records nothing. Placed memory is not the C library's to measure. */
TPI_HOOK size_t malloc_usable_size(void *address) {
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

/* Afterwards another object may be loaded where one was, and its instructions mean other stacks. */
TPI_HOOK int dlclose(void *handle) {
    int status = tp_real.dlclose(handle);
    tp_process_unloaded();
    return status;
}
