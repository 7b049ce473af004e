/* tier_kmem.c - memory of devices that the kernel's KMEM driver shows as NUMA nodes, by memkind's policies.
 *
 * Small objects come from memkind's DAX_KMEM kinds, larger ones (and all, where libmemkind is missing) from
 * mappings of our own on the nodes that memkind would use. Ours prefer these nodes and never bind, whatever
 * the policy: with the capacity set to what is free there, both hold the same.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "held.h"
#include "memkind.h"
#include "pages.h"
#include "policy.h"

#define TPI_KMEM_DRIVER "/sys/bus/dax/drivers/kmem"
#define TPI_KMEM_NODES                                                                                       \
    "MEMKIND_DAX_KMEM_NODES" /* memkind's own setting, in place of the machine's devices                     \
                              */

static struct tpi_nodes tpi_kmem_nodes[TP_MAX_TIERS];

struct tpi_directory_entry { /* as getdents64 writes it */
    uint64_t inode, offset;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

static void tpi_add_device(struct tpi_nodes *nodes, const char *name) {
    char path[160], text[32] = "";
    if (strncmp(name, "dax", 3) != 0) return;
    snprintf(path, sizeof path, TPI_KMEM_DRIVER "/%.64s/target_node", name);
    if (tp_raw_read_file(path, text, sizeof text - 1) > 0 && text[0] >= '0' && text[0] <= '9')
        tpi_nodes_add(nodes, strtoull(text, NULL, 10));
}

static void tpi_read_devices(struct tpi_nodes *nodes) {
    _Alignas(8) char entries[4096];
    int fd = tp_raw_open(TPI_KMEM_DRIVER, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return;
    for (;;) {
        long bytes = syscall(SYS_getdents64, fd, entries, sizeof entries);
        if (bytes <= 0) break;
        for (long at = 0; at < bytes;) {
            const struct tpi_directory_entry *entry = (const void *)(entries + at);
            tpi_add_device(nodes, entry->name);
            at += entry->bytes;
        }
    }
    tp_raw_close(fd);
}

static void tpi_read_setting(struct tpi_nodes *nodes, const char *list) {
    for (char *at = (char *)list; *at >= '0' && *at <= '9'; at += *at == ',')
        tpi_nodes_add(nodes, strtoull(at, &at, 10));
}

/* Leaves those that are nearest to where the program runs now. */
static void tpi_keep_nearest(struct tpi_nodes *nodes) {
    struct tpi_nodes nearest = {{0}};
    unsigned cpu = 0, here = 0;
    uint32_t least = UINT32_MAX;
    if (syscall(SYS_getcpu, &cpu, &here, NULL) != 0) return;
    for (uint64_t node = 0; node < TPI_NODES; node++) {
        if (!tpi_nodes_has(nodes, node)) continue;
        uint32_t distance = tpi_node_distance(here, node);
        if (distance < least) {
            nearest = (struct tpi_nodes){{0}};
            least = distance;
        }
        if (distance == least) tpi_nodes_add(&nearest, node);
    }
    *nodes = nearest;
}

/* UINT64_MAX: not known. */
static uint64_t tpi_kmem_room_bytes(const struct tpi_tier *tier) {
    const struct tpi_nodes *nodes = &tpi_kmem_nodes[tier->index];
    uint64_t sum = 0;
    for (uint64_t node = 0; node < TPI_NODES; node++) {
        uint64_t room_bytes = tpi_nodes_has(nodes, node) ? tpi_node_room_bytes(node) : 0;
        if (room_bytes == UINT64_MAX) return UINT64_MAX;
        sum += room_bytes;
    }
    return sum;
}

static bool tpi_kmem_adopt(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_policy_prefer(address, size, &tpi_kmem_nodes[tier->index], false);
}

static bool tpi_kmem_retarget(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_policy_prefer(address, size, &tpi_kmem_nodes[tier->index], true);
}

static void *tpi_kmem_map(struct tpi_tier *tier, size_t size, size_t align) {
    void *pages = tpi_pages_map(size, align);
    if (pages == NULL || tpi_kmem_adopt(tier, pages, size)) return pages;
    tp_raw_munmap(pages, size);
    return NULL;
}

static const char *tpi_kmem_open(struct tpi_tier *tier) {
    struct tpi_nodes *nodes = &tpi_kmem_nodes[tier->index];
    const char *setting = getenv(TPI_KMEM_NODES);
    if (tier->plan->number > TP_KMEM_PREFERRED) return "its policy is unknown";
    if (setting != NULL)
        tpi_read_setting(nodes, setting);
    else
        tpi_read_devices(nodes);
    if (tier->plan->number != TP_KMEM_ALL) tpi_keep_nearest(nodes);
    if (tpi_nodes_count(nodes) == 0) return "no memory of a KMEM device is online";
    void *page = tpi_kmem_map(tier, TPI_PAGE_BYTES, TPI_PAGE_BYTES);
    if (page == NULL) return "mbind refuses the nodes of the KMEM devices";
    tp_raw_munmap(page, TPI_PAGE_BYTES);
    uint64_t room_bytes = tpi_kmem_room_bytes(tier);
    if (room_bytes < tier->capacity_bytes) tier->capacity_bytes = room_bytes;
    const char *why = tpi_memkind_open_kmem(tier, tpi_kmem_room_bytes);
    if (why != NULL)
        tpi_note(TP_NOTE_OTHER, tier->index, "tier %s: %s; tierprof's own mappings serve small objects too",
                 tier->plan->name, why);
    return NULL;
}

const struct tpi_backend tpi_backend_kmem = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_PAGE_BYTES,
    .open = tpi_kmem_open,
    .map = tpi_kmem_map,
    .adopt = tpi_kmem_adopt,
    .retarget = tpi_kmem_retarget,
    .library = true,
    .movable = true,
};
