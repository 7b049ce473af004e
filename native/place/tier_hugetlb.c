/* tier_hugetlb.c - the kernel's reserved pool of huge pages.
 *
 * The pool must never end in SIGBUS. So pages are not only reserved but made before memory is handed out
 * (the reservation does not know of cpusets and cgroups). And mappings are shared: a private one needs pages
 * for copy-on-write after fork, and where the pool has none the kernel takes them from the child, which dies
 * of it. A forked child gets copies in ordinary pages instead, as of every shared tier.
 */
#include <linux/mman.h>

#include "pages.h"
#include "tier.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

/* Nothing may be mapped in parts of a huge page: sizes are of whole ones. */
static void *tpi_map_reserved(const struct tpi_tier *tier, size_t size, size_t align) {
    size_t page = tier->granule_bytes;
    errno = ENOMEM;
    if (!tpi_data_size_allowed(tier->live_bytes)) return NULL;
    int flags =
        MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | (__builtin_ctzll(page) << MAP_HUGE_SHIFT);
    void *pages = tpi_pages_reserve(size, align > page ? align : page);
    if (pages == NULL) return NULL;
    if (tp_raw_mmap(pages, size, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED) return pages;
    tp_raw_munmap(pages, size);
    return NULL;
}

static void *tpi_hugetlb_map(struct tpi_tier *tier, size_t size, size_t align) {
    void *pages = tpi_map_reserved(tier, size, align);
    if (pages == NULL || tpi_madvise(pages, size, MADV_POPULATE_WRITE) == 0 || errno == EINVAL) return pages;
    tp_raw_munmap(pages, size);
    return NULL;
}

static const char *tpi_hugetlb_open(struct tpi_tier *tier) {
    size_t page = tier->plan->number;
    if (page < 2 * TPI_PAGE_BYTES || (page & (page - 1)) != 0) return "there are no huge pages of this size";
    tier->granule_bytes = page;
    void *trial = tpi_map_reserved(tier, page, page);
    if (trial == NULL) return "the pool of reserved huge pages of this size has none that is free";
    tp_raw_munmap(trial, page);
    return NULL;
}

const struct tpi_backend tpi_backend_hugetlb = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_PAGE_BYTES,
    .memory = TPI_MEMORY_SHARED,
    .open = tpi_hugetlb_open,
    .map = tpi_hugetlb_map,
};
