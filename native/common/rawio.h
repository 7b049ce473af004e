/* rawio.h - system calls without libc's wrappers: the wrappers are cancellation points, may be interposed,
 * and mmap is hooked. Nothing here is kept open longer than a call, so that a program that counts or closes
 * its descriptors meets none of ours.
 */
#ifndef TP_RAWIO_H
#define TP_RAWIO_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t tp_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline int tp_raw_open(const char *path, int flags, int mode) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

static inline void tp_raw_close(int fd) {
    syscall(SYS_close, fd);
}

/* Reads until `size` bytes or the end; the number of bytes read, or -1. */
static inline ssize_t tp_raw_read(int fd, void *buffer, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t part = syscall(SYS_read, fd, (char *)buffer + done, size - done);
        if (part < 0 && errno == EINTR) continue;
        if (part < 0) return -1;
        if (part == 0) break;
        done += (size_t)part;
    }
    return (ssize_t)done;
}

static inline bool tp_raw_write(int fd, const void *bytes, size_t size) {
    while (size > 0) {
        ssize_t part = syscall(SYS_write, fd, bytes, size);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return false;
        bytes = (const char *)bytes + part;
        size -= (size_t)part;
    }
    return true;
}

/* Reads the start of a file into `buffer`; the number of bytes read, 0 if it cannot be read. */
static inline size_t tp_raw_read_file(const char *path, void *buffer, size_t size) {
    int fd = tp_raw_open(path, O_RDONLY, 0);
    if (fd < 0) return 0;
    ssize_t got = tp_raw_read(fd, buffer, size);
    tp_raw_close(fd);
    return got > 0 ? (size_t)got : 0;
}

static inline void *tp_raw_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset) {
#ifdef SYS_mmap
    return (void *)syscall(SYS_mmap, address, size, prot, flags, fd, offset);
#else
    return (void *)syscall(SYS_mmap2, address, size, prot, flags, fd, offset >> 12);
#endif
}

static inline int tp_raw_munmap(void *address, size_t size) {
    return (int)syscall(SYS_munmap, address, size);
}

/* How far a file may grow: writing beyond would raise SIGXFSZ, which kills the program. */
static inline uint64_t tp_raw_file_limit(void) {
    struct rlimit limit;
    if (syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

/* Reserves disk space, so that neither write(2) nor a store to a shared mapping meets a full disk. With
 * FALLOC_FL_KEEP_SIZE in `mode` the file's size stays. Returns 0 or an errno. */
static inline int tp_raw_reserve(int fd, int mode, uint64_t offset, uint64_t size) {
    if (offset + size > tp_raw_file_limit()) return EFBIG;
    while (syscall(SYS_fallocate, fd, mode, offset, size) != 0)
        if (errno != EINTR) return errno;
    return 0;
}

/* Makes a file longer, with blocks behind every byte; where fallocate is not supported, by writing zeros.
 * Returns 0 or an errno. */
static inline int tp_raw_extend(int fd, uint64_t offset, uint64_t size) {
    static const char zeros[4096];
    int error = tp_raw_reserve(fd, 0, offset, size);
    if (error != EOPNOTSUPP && error != ENOSYS) return error;
    for (uint64_t done = 0, part; done < size; done += part) {
        part = size - done < sizeof zeros ? size - done : sizeof zeros;
        if (syscall(SYS_pwrite64, fd, zeros, part, offset + done) != (long)part) return ENOSPC;
    }
    return 0;
}

/* Where the shim's own next mapping is asked for: far below where the kernel would put it. There it would
 * fill the holes that the program leaves on purpose: who unmaps a range to map it anew with MAP_FIXED, or
 * unmaps a middle first and the whole later, would take the shim's tables away. Only a hint, so an address
 * space with other bounds does no harm. One for all files that include this. */
__attribute__((weak)) uintptr_t tp_raw_next_aside;

static inline void *tp_raw_aside(size_t size) {
    const uintptr_t start = (uintptr_t)3 << 44, page_bytes = 4096;
    uintptr_t unset = 0, bytes = (size + page_bytes - 1) & ~(page_bytes - 1);
    /* As hard to guess as the address of this very variable. */
    uintptr_t first = start + (((uintptr_t)&tp_raw_next_aside >> 12 & 0xfffff) << 21);
    __atomic_compare_exchange_n(&tp_raw_next_aside, &unset, first, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return (void *)__atomic_fetch_add(&tp_raw_next_aside, bytes, __ATOMIC_RELAXED);
}

/* Zeroed memory for the shim's own tables; NULL without. */
static inline void *tp_raw_pages(size_t size) {
    void *pages = tp_raw_mmap(tp_raw_aside(size), size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

#endif
