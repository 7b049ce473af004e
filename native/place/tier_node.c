/* tier_node.c - memory of one NUMA node: CXL memory, a remote socket, a KMEM device.
 *
 * The node is preferred, not bound: with MPOL_BIND a full node calls the kernel's OOM killer on the program.
 */
#include <errno.h>
#include <linux/mempolicy.h>

#include "pages.h"
#include "tier.h"

#define TPI_NODES 1024u
#define TPI_WORD_BITS (8 * sizeof(unsigned long))

#ifndef MPOL_PREFERRED_MANY /* Linux 5.15 */
#define MPOL_PREFERRED_MANY 5
#endif

static bool tpi_prefer_node(void *address, size_t size, uint64_t node) {
    unsigned long mask[TPI_NODES / TPI_WORD_BITS] = {0};
    mask[node / TPI_WORD_BITS] = 1ul << (node % TPI_WORD_BITS);
    for (int mode = MPOL_PREFERRED_MANY;; mode = MPOL_PREFERRED) {
        if (syscall(SYS_mbind, address, size, mode, mask, TPI_NODES, 0) == 0) return true;
        if (errno != EINVAL || mode == MPOL_PREFERRED) return false;
    }
}

static const char *tpi_node_open(struct tpi_tier *tier) {
    if (tier->plan->number >= TPI_NODES) return "there is no such NUMA node";
    void *page = tpi_pages_map(TPI_PAGE_BYTES, TPI_PAGE_BYTES);
    bool works = page != NULL && tpi_prefer_node(page, TPI_PAGE_BYTES, tier->plan->number);
    if (page != NULL) tp_raw_munmap(page, TPI_PAGE_BYTES);
    return works ? NULL : "there is no such NUMA node, or mbind is forbidden";
}

static bool tpi_node_adopt(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_prefer_node(address, size, tier->plan->number);
}

static void *tpi_node_map(struct tpi_tier *tier, size_t size, size_t align) {
    void *pages = tpi_pages_map(size, align);
    if (pages == NULL || tpi_node_adopt(tier, pages, size)) return pages;
    tp_raw_munmap(pages, size);
    return NULL;
}

const struct tpi_backend tpi_backend_node = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_PAGE_BYTES,
    .open = tpi_node_open,
    .map = tpi_node_map,
    .adopt = tpi_node_adopt,
    .movable = true,
};
