/* hooks.h - the functions that are hooked: one list, from which the table of real functions, its resolution
 * and the stand-ins for the time before it derive.
 *
 * X(need, result, name, parameters, arguments): need is REQUIRED or OPTIONAL. A C library without an optional
 * one leaves its stand-in in place.
 */
#ifndef TP_HOOKS_H
#define TP_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TP_HOOKS(X)                                                                                          \
    X(REQUIRED, void *, malloc, (size_t size), (size))                                                       \
    X(REQUIRED, void *, calloc, (size_t count, size_t size), (count, size))                                  \
    X(REQUIRED, void *, realloc, (void *old, size_t size), (old, size))                                      \
    X(OPTIONAL, void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size))            \
    X(REQUIRED, void, free, (void *address), (address))                                                      \
    X(REQUIRED, int, posix_memalign, (void **to, size_t align, size_t size), (to, align, size))              \
    X(OPTIONAL, void *, aligned_alloc, (size_t align, size_t size), (align, size))                           \
    X(OPTIONAL, void *, memalign, (size_t align, size_t size), (align, size))                                \
    X(OPTIONAL, void *, valloc, (size_t size), (size))                                                       \
    X(OPTIONAL, void *, pvalloc, (size_t size), (size))                                                      \
    X(OPTIONAL, size_t, malloc_usable_size, (void *address), (address))                                      \
    X(REQUIRED, void *, mmap, (void *address, size_t size, int prot, int flags, int fd, off_t offset),       \
      (address, size, prot, flags, fd, offset))                                                              \
    X(OPTIONAL, void *, mmap64, (void *address, size_t size, int prot, int flags, int fd, off64_t offset),   \
      (address, size, prot, flags, fd, offset))                                                              \
    X(REQUIRED, int, munmap, (void *address, size_t size), (address, size))                                  \
    X(REQUIRED, void *, mremap, (void *old, size_t old_size, size_t size, int flags, void *to),              \
      (old, old_size, size, flags, to))                                                                      \
    X(OPTIONAL, int, madvise, (void *address, size_t size, int advice), (address, size, advice))             \
    X(OPTIONAL, int, mprotect, (void *address, size_t size, int prot), (address, size, prot))                \
    X(OPTIONAL, int, ioctl, (int fd, unsigned long request, void *argument), (fd, request, argument))        \
    X(OPTIONAL, void *, sbrk, (intptr_t increment), (increment))                                             \
    X(OPTIONAL, void *, __sbrk, (intptr_t increment), (increment))                                           \
    X(OPTIONAL, int, dlclose, (void *handle), (handle))

/* The next functions behind the hooks. Callable at any time: before resolution they lead to the stand-ins. */
struct tp_real {
#define TPI_POINTER(need, result, name, parameters, arguments) result(*name) parameters;
    TP_HOOKS(TPI_POINTER)
#undef TPI_POINTER
};

extern struct tp_real tp_real;

/* The name of the object that malloc comes from, and the object, if that is not the C library; NULL
 * otherwise. *hooked: calls of it come through the hooks. */
struct tp_object;
const char *tp_real_foreign_malloc(struct tp_object *object, bool *hooked);

#endif
