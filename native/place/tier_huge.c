/* tier_huge.c - DRAM in 2 MiB pages, by madvise on aligned mappings. */
#include "pages.h"
#include "policy.h"
#include "tier.h"

#ifndef MADV_COLLAPSE /* Linux 6.1 */
#define MADV_COLLAPSE 25
#endif

static const char *tpi_huge_open(struct tpi_tier *tier) {
    static const char file[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    char modes[64] = "";
    size_t got = tp_raw_read_file(file, modes, sizeof modes - 1);
    for (size_t i = 0; i + 1 < got; i++)
        if (modes[i] == '[') return modes[i + 1] == 'n' ? "transparent huge pages are set to never" : NULL;
    return "the kernel has no transparent huge pages";
}

static bool tpi_huge_adopt(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_madvise(address, size, MADV_HUGEPAGE) == 0;
}

/* What is not collapsed now is khugepaged's to do later. */
static bool tpi_huge_retarget(struct tpi_tier *tier, void *address, size_t size) {
    if (!tpi_huge_adopt(tier, address, size)) return false;
    tpi_policy_default(address, size, true);
    tpi_madvise(address, size, MADV_COLLAPSE);
    return true;
}

static void *tpi_huge_map(struct tpi_tier *tier, size_t size, size_t align) {
    void *pages = tpi_pages_map(size, align);
    if (pages == NULL || tpi_huge_adopt(tier, pages, size)) return pages;
    tp_raw_munmap(pages, size);
    return NULL;
}

const struct tpi_backend tpi_backend_huge = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_HUGE_BYTES,
    .open = tpi_huge_open,
    .map = tpi_huge_map,
    .adopt = tpi_huge_adopt,
    .retarget = tpi_huge_retarget,
    .movable = true,
};
