/* policy.h - NUMA: sets of nodes, and where the pages of a range may lie (mbind). */
#ifndef TP_POLICY_H
#define TP_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TPI_NODES 1024u
#define TPI_NODE_WORD_BITS (8 * sizeof(unsigned long))

#define TPI_ONLINE_NODES "/sys/devices/system/node/online"
#define TPI_CPU_NODES "/sys/devices/system/node/has_cpu"

struct tpi_nodes {
    unsigned long words[TPI_NODES / TPI_NODE_WORD_BITS];
};

/* Numbers from TPI_NODES on are nobody's. */
void tpi_nodes_add(struct tpi_nodes *nodes, uint64_t node);
bool tpi_nodes_has(const struct tpi_nodes *nodes, uint64_t node);
unsigned tpi_nodes_count(const struct tpi_nodes *nodes);

/* A list as the kernel writes it ("0-3,8"); false: there is no such file, or it names no node. */
bool tpi_nodes_read(const char *path, struct tpi_nodes *nodes);

/* Pages that are made from now on prefer these nodes, and fall back to others. With `moves` those that are
 * there and lie elsewhere move at once. */
bool tpi_policy_prefer(void *address, size_t size, const struct tpi_nodes *nodes, bool moves);

/* As tpi_policy_prefer, without falling back: the kernel kills when they are full. */
bool tpi_policy_bind(void *address, size_t size, const struct tpi_nodes *nodes, bool moves);

/* Page by page over the nodes in turn. */
bool tpi_policy_interleave(void *address, size_t size, const struct tpi_nodes *nodes, bool moves);

/* As if nothing had been asked for. With `moves` pages on nodes without CPUs move to those with. */
bool tpi_policy_default(void *address, size_t size, bool moves);

/* What may be put on a node before it is full: its free memory now, less a reserve for the kernel;
 * UINT64_MAX: not known. */
uint64_t tpi_node_room_bytes(uint64_t node);

/* The distance from one node to another as firmware states it; UINT32_MAX: not known. */
uint32_t tpi_node_distance(uint64_t from, uint64_t to);

#endif
