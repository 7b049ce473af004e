/* pages.h - whole pages from the kernel, by raw system calls: mmap and its kin are hooked. */
#ifndef TP_PAGES_H
#define TP_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "../common/rawio.h"

#define TPI_PAGE_BYTES ((size_t)4096)
#define TPI_HUGE_BYTES ((size_t)2 << 20)

static inline size_t tpi_round_up(size_t size, size_t to) {
    return (size + to - 1) & ~(to - 1);
}

static inline int tpi_madvise(void *address, size_t size, int advice) {
    return (int)syscall(SYS_madvise, address, size, advice);
}

static inline int tpi_mprotect(void *address, size_t size, int prot) {
    return (int)syscall(SYS_mprotect, address, size, prot);
}

/* Moves a mapping, or makes it larger. `target` NULL: wherever there is room. MAP_FAILED if it cannot. */
static inline void *tpi_mremap(void *old, size_t old_size, size_t new_size, void *target) {
    int flags = target ? MREMAP_MAYMOVE | MREMAP_FIXED : MREMAP_MAYMOVE;
    return (void *)syscall(SYS_mremap, old, old_size, new_size, flags, target);
}

/* May this process make a file so large? To try would be answered with SIGXFSZ, which kills by default. */
bool tpi_file_size_allowed(size_t size);

/* May this process have so much memory beside what the kernel counts as its data? The kernel does not count
 * shared pages, which stand in for data here. */
bool tpi_data_size_allowed(size_t shared_bytes);

/* Zeroed, private, anonymous pages at a multiple of `align` (a power of two); NULL without memory. */
void *tpi_pages_map(size_t size, size_t align);

/* The same range of address space with nothing behind it, for a MAP_FIXED mapping to replace. */
void *tpi_pages_reserve(size_t size, size_t align);

/* Makes small pages of the huge ones in a range of private memory; advice about a part of one does that. */
void tpi_pages_split(uintptr_t start, size_t size);

/* Is there nothing in the page? */
bool tpi_page_is_zero(const char *page);

/* Copies to fresh pages, but leaves alone those that stay zero: a program that allocates far more than it
 * touches must not find all of it in memory afterwards. */
void tpi_pages_copy(char *to, const char *from, size_t size);

#endif
