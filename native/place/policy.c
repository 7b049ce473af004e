/* policy.c - mbind, and what the kernel says about nodes. */
#include "policy.h"

#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/rawio.h"

#ifndef MPOL_PREFERRED_MANY /* Linux 5.15 */
#define MPOL_PREFERRED_MANY 5
#endif

void tpi_nodes_add(struct tpi_nodes *nodes, uint64_t node) {
    if (node < TPI_NODES) nodes->words[node / TPI_NODE_WORD_BITS] |= 1ul << (node % TPI_NODE_WORD_BITS);
}

bool tpi_nodes_has(const struct tpi_nodes *nodes, uint64_t node) {
    return node < TPI_NODES && (nodes->words[node / TPI_NODE_WORD_BITS] >> (node % TPI_NODE_WORD_BITS)) & 1;
}

unsigned tpi_nodes_count(const struct tpi_nodes *nodes) {
    unsigned count = 0;
    for (unsigned node = 0; node < TPI_NODES; node++)
        count += tpi_nodes_has(nodes, node);
    return count;
}

bool tpi_nodes_read(const char *path, struct tpi_nodes *nodes) {
    char text[512] = "";
    *nodes = (struct tpi_nodes){{0}};
    if (tp_raw_read_file(path, text, sizeof text - 1) == 0) return false;
    bool any = false;
    for (char *at = text; *at >= '0' && *at <= '9'; at += *at == ',') {
        uint64_t first = strtoull(at, &at, 10), last = first;
        if (*at == '-') last = strtoull(at + 1, &at, 10);
        for (uint64_t node = first; node <= last && node < TPI_NODES; node++) {
            tpi_nodes_add(nodes, node);
            any = true;
        }
    }
    return any;
}

static bool tpi_mbind(void *address, size_t size, int mode, const struct tpi_nodes *nodes, bool moves) {
    const unsigned long *words = nodes != NULL ? nodes->words : NULL;
    return syscall(SYS_mbind, address, size, mode, words, nodes != NULL ? TPI_NODES : 0,
                   moves ? MPOL_MF_MOVE : 0) == 0;
}

bool tpi_policy_prefer(void *address, size_t size, const struct tpi_nodes *nodes, bool moves) {
    return tpi_mbind(address, size, MPOL_PREFERRED_MANY, nodes, moves) ||
           (errno == EINVAL && tpi_mbind(address, size, MPOL_PREFERRED, nodes, moves));
}

bool tpi_policy_bind(void *address, size_t size, const struct tpi_nodes *nodes, bool moves) {
    return tpi_mbind(address, size, MPOL_BIND, nodes, moves);
}

bool tpi_policy_interleave(void *address, size_t size, const struct tpi_nodes *nodes, bool moves) {
    return tpi_mbind(address, size, MPOL_INTERLEAVE, nodes, moves);
}

/* MPOL_DEFAULT itself would move every page, those that are well where they are included. */
bool tpi_policy_default(void *address, size_t size, bool moves) {
    struct tpi_nodes nodes;
    if (moves && tpi_nodes_read(TPI_CPU_NODES, &nodes)) tpi_policy_prefer(address, size, &nodes, true);
    return tpi_mbind(address, size, MPOL_DEFAULT, NULL, false);
}

/* The value of a line such as "Node 1 MemFree:  123 kB"; UINT64_MAX: there is none. */
static uint64_t tpi_meminfo_bytes(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at != NULL ? strtoull(at + strlen(key), NULL, 10) * 1024 : UINT64_MAX;
}

static uint64_t tpi_setting(const char *path) {
    char text[32] = "";
    tp_raw_read_file(path, text, sizeof text - 1);
    return strtoull(text, NULL, 10);
}

/* The kernel looks elsewhere once free memory is below a zone's low watermark, and reclaims up to the high
 * one (Linux, mm/page_alloc.c: __setup_per_zone_wmarks). As much again may wait, not counted as free, in the
 * lists that each CPU keeps (zone_highsize). */
static uint64_t tpi_reserve_bytes(uint64_t node_bytes) {
    char text[4096] = "";
    tp_raw_read_file("/proc/meminfo", text, sizeof text - 1);
    uint64_t all_bytes = tpi_meminfo_bytes(text, "MemTotal:");
    double share = (double)node_bytes / (double)(all_bytes > node_bytes ? all_bytes : node_bytes);
    if (all_bytes == UINT64_MAX) share = 1;
    uint64_t least = (uint64_t)((double)tpi_setting("/proc/sys/vm/min_free_kbytes") * 1024 * share);
    uint64_t step = node_bytes / 10000 * tpi_setting("/proc/sys/vm/watermark_scale_factor");
    uint64_t high = least + 2 * (step > least / 4 ? step : least / 4);
    return 2 * high;
}

uint64_t tpi_node_room_bytes(uint64_t node) {
    char path[80], text[4096] = "";
    snprintf(path, sizeof path, "/sys/devices/system/node/node%u/meminfo", (unsigned)node);
    if (tp_raw_read_file(path, text, sizeof text - 1) == 0) return UINT64_MAX;
    uint64_t total = tpi_meminfo_bytes(text, "MemTotal:"), unused = tpi_meminfo_bytes(text, "MemFree:");
    if (total == UINT64_MAX || unused == UINT64_MAX) return UINT64_MAX;
    uint64_t reserve = tpi_reserve_bytes(total);
    return unused > reserve ? unused - reserve : 0;
}

uint32_t tpi_node_distance(uint64_t from, uint64_t to) {
    char path[80], text[4096] = "";
    struct tpi_nodes online;
    snprintf(path, sizeof path, "/sys/devices/system/node/node%u/distance", (unsigned)from);
    if (tp_raw_read_file(path, text, sizeof text - 1) == 0) return UINT32_MAX;
    if (!tpi_nodes_read(TPI_ONLINE_NODES, &online) || !tpi_nodes_has(&online, to)) return UINT32_MAX;
    char *at = text; /* one number for each node that is online, in order */
    for (uint64_t node = 0; node < to; node++)
        if (tpi_nodes_has(&online, node)) strtoul(at, &at, 10);
    return (uint32_t)strtoul(at, NULL, 10);
}
