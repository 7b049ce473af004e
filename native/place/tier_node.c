/* tier_node.c - memory of one NUMA node: CXL memory, a remote socket.
 *
 * The node is preferred, not bound, unless the plan asks for that: with MPOL_BIND a full node calls the
 * kernel's OOM killer on the program. A preferred node that is full spills page by page, unseen: so the
 * tier's capacity is what the node has free at the start, and objects beyond it go where the plan says.
 */
#include "pages.h"
#include "policy.h"
#include "tier.h"

static bool tpi_node_apply(const struct tpi_tier *tier, void *address, size_t size, bool moves) {
    struct tpi_nodes nodes = {{0}};
    tpi_nodes_add(&nodes, tier->plan->number);
    return tier->plan->flags & TP_TIER_BIND ? tpi_policy_bind(address, size, &nodes, moves)
                                            : tpi_policy_prefer(address, size, &nodes, moves);
}

static bool tpi_node_adopt(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_node_apply(tier, address, size, false);
}

static bool tpi_node_retarget(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_node_apply(tier, address, size, true);
}

static void *tpi_node_map(struct tpi_tier *tier, size_t size, size_t align) {
    void *pages = tpi_pages_map(size, align);
    if (pages == NULL || tpi_node_adopt(tier, pages, size)) return pages;
    tp_raw_munmap(pages, size);
    return NULL;
}

static const char *tpi_node_open(struct tpi_tier *tier) {
    if (tier->plan->number >= TPI_NODES) return "there is no such NUMA node";
    void *page = tpi_node_map(tier, TPI_PAGE_BYTES, TPI_PAGE_BYTES);
    if (page == NULL) return "there is no such NUMA node, or mbind is forbidden";
    tp_raw_munmap(page, TPI_PAGE_BYTES);
    uint64_t room_bytes = tpi_node_room_bytes(tier->plan->number);
    if (room_bytes < tier->capacity_bytes) tier->capacity_bytes = room_bytes;
    return NULL;
}

const struct tpi_backend tpi_backend_node = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_PAGE_BYTES,
    .open = tpi_node_open,
    .map = tpi_node_map,
    .adopt = tpi_node_adopt,
    .retarget = tpi_node_retarget,
    .movable = true,
};
