/* pages.c - aligned mappings (ask for more, give back both ends), and the limits of file sizes and of data.
 */
#include "pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

bool tpi_file_size_allowed(size_t size) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
           (limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur);
}

/* The sixth number of /proc/self/statm: what RLIMIT_DATA is compared with, and the stack. */
static size_t tpi_data_bytes(void) {
    char text[256] = "", *at = text;
    unsigned long pages = 0;
    tp_raw_read_file("/proc/self/statm", text, sizeof text - 1);
    for (int i = 0; i < 6; i++)
        pages = strtoul(at, &at, 10);
    return pages * TPI_PAGE_BYTES;
}

bool tpi_data_size_allowed(size_t shared_bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
    return shared_bytes <= limit.rlim_cur && tpi_data_bytes() <= limit.rlim_cur - shared_bytes;
}

static void *tpi_map_aligned(size_t size, size_t align, int prot, int flags) {
    size_t slack = align > TPI_PAGE_BYTES ? align - TPI_PAGE_BYTES : 0;
    if (size + slack < size) return NULL;
    void *raw = tp_raw_mmap(NULL, size + slack, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (raw == MAP_FAILED) return NULL;
    uintptr_t start = (uintptr_t)raw;
    uintptr_t aligned = slack ? tpi_round_up(start, align) : start;
    if (aligned > start) tp_raw_munmap(raw, aligned - start);
    uintptr_t end = start + size + slack;
    if (aligned + size < end) tp_raw_munmap((void *)(aligned + size), end - aligned - size);
    return (void *)aligned;
}

void *tpi_pages_map(size_t size, size_t align) {
    return tpi_map_aligned(size, align, PROT_READ | PROT_WRITE, 0);
}

void *tpi_pages_reserve(size_t size, size_t align) {
    return tpi_map_aligned(size, align, PROT_NONE, MAP_NORESERVE);
}

void tpi_pages_split(uintptr_t start, size_t size) {
    for (uintptr_t at = start; at < start + size; at = tpi_round_up(at + 1, TPI_HUGE_BYTES))
        tpi_madvise((void *)at, TPI_PAGE_BYTES, MADV_COLD);
}

bool tpi_page_is_zero(const char *page) {
    const uint64_t *words = (const void *)page;
    for (size_t i = 0; i < TPI_PAGE_BYTES / sizeof *words; i += 8) {
        uint64_t any = words[i] | words[i + 1] | words[i + 2] | words[i + 3];
        any |= words[i + 4] | words[i + 5] | words[i + 6] | words[i + 7];
        if (any != 0) return false;
    }
    return true;
}

void tpi_pages_copy(char *to, const char *from, size_t size) {
    for (size_t at = 0; at < size; at += TPI_PAGE_BYTES)
        if (!tpi_page_is_zero(from + at)) memcpy(to + at, from + at, TPI_PAGE_BYTES);
}
