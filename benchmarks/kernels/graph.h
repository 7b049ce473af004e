/* graph.h - an undirected graph as its kernels read it: every vertex's neighbours one after the other (CSR).
 *
 * A graph is generated once into a file, so that a kernel under a simulator spends nothing on making it: the
 * file's arrays are read into allocations of their own, which is what a profiler ranks.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include <stdint.h>

struct graph {
    uint32_t vertices;
    uint64_t edges;       /* directed: each undirected one is there twice */
    uint64_t *offsets;    /* [vertices + 1] */
    uint32_t *neighbours; /* [edges] */
    uint8_t *weights;     /* [edges], 1 to 255, the same in both directions; NULL unless asked for */
};

enum graph_kind { GRAPH_KRONECKER, GRAPH_UNIFORM };

/* Writes a graph of 2^scale vertices and degree * 2^scale undirected edges. Each figure of it follows from
 * `seed`. */
void graph_generate(enum graph_kind kind, unsigned scale, unsigned degree, uint64_t seed, const char *path);

/* Reads a file that graph_generate wrote. Like the functions below: on failure says why on stderr and exits.
 */
struct graph graph_load(const char *path, int with_weights);
void graph_free(struct graph *graph);

/* Memory of zeros that the kernels' arrays are made of. */
void *array(uint64_t count, uint64_t item_bytes);

/* The vertex that a search starts from: the first with a neighbour, counted from a place that the seed gives.
 */
uint32_t graph_source(const struct graph *graph, uint64_t seed);

/* A 64-bit mixer (Stafford's variant 13 of MurmurHash3's finaliser): all that is random here is made of it.
 */
static inline uint64_t mix(uint64_t word) {
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

#endif
