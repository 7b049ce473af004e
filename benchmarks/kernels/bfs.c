/* bfs.c - breadth-first search, top down: each edge of the frontier asks its far end whether it was seen. */
#include "kernels.h"

#include <stdlib.h>

static const int32_t UNSEEN = -1;

/* The next frontier; whoever sets a vertex's depth first puts it there. */
static uint32_t expand(const struct graph *graph, const uint32_t *frontier, uint32_t size, int32_t *depth,
                       uint32_t *next) {
    uint32_t next_size = 0;
#pragma omp parallel for schedule(dynamic, 512)
    for (uint32_t i = 0; i < size; i++) {
        uint32_t v = frontier[i];
        int32_t deeper = depth[v] + 1;
        for (uint64_t e = graph->offsets[v]; e < graph->offsets[v + 1]; e++) {
            uint32_t w = graph->neighbours[e];
            int32_t unseen = UNSEEN;
            if (__atomic_load_n(&depth[w], __ATOMIC_RELAXED) == UNSEEN &&
                __atomic_compare_exchange_n(&depth[w], &unseen, deeper, 0, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
                next[__atomic_fetch_add(&next_size, 1, __ATOMIC_RELAXED)] = w;
        }
    }
    return next_size;
}

__attribute__((noinline)) double breadth_first(const struct graph *graph, uint32_t source) {
    int32_t *depth = array(graph->vertices, sizeof *depth);
    uint32_t *frontier = array(graph->vertices, sizeof *frontier);
    uint32_t *next = array(graph->vertices, sizeof *next);
    for (uint32_t v = 0; v < graph->vertices; v++)
        depth[v] = UNSEEN;
    depth[source] = 0;
    frontier[0] = source;
    for (uint32_t size = 1; size;) {
        size = expand(graph, frontier, size, depth, next);
        uint32_t *spare = frontier;
        frontier = next;
        next = spare;
    }
    double sum = 0;
    for (uint32_t v = 0; v < graph->vertices; v++)
        sum += depth[v] > 0 ? depth[v] : 0;
    free(depth);
    free(frontier);
    free(next);
    return sum;
}
