/* cc.c - connected components: labels hook onto smaller ones along the edges, then every label takes a
 * shortcut to its root (Shiloach and Vishkin 1982).
 */
#include "kernels.h"

#include <stdbool.h>
#include <stdlib.h>

static bool hook(const struct graph *graph, uint32_t *label) {
    bool changed = false;
#pragma omp parallel for schedule(dynamic, 4096) reduction(|| : changed)
    for (uint32_t v = 0; v < graph->vertices; v++) {
        for (uint64_t e = graph->offsets[v]; e < graph->offsets[v + 1]; e++) {
            uint32_t mine = __atomic_load_n(&label[v], __ATOMIC_RELAXED);
            uint32_t theirs = __atomic_load_n(&label[graph->neighbours[e]], __ATOMIC_RELAXED);
            uint32_t high = mine > theirs ? mine : theirs, low = mine < theirs ? mine : theirs;
            /* Only a root may hook, and only downwards: so no cycle can come about. */
            if (high != low && __atomic_load_n(&label[high], __ATOMIC_RELAXED) == high) {
                __atomic_store_n(&label[high], low, __ATOMIC_RELAXED);
                changed = true;
            }
        }
    }
    return changed;
}

static void shortcut(const struct graph *graph, uint32_t *label) {
#pragma omp parallel for schedule(static)
    for (uint32_t v = 0; v < graph->vertices; v++) {
        uint32_t root = __atomic_load_n(&label[v], __ATOMIC_RELAXED);
        for (uint32_t up; (up = __atomic_load_n(&label[root], __ATOMIC_RELAXED)) != root; root = up)
            ;
        __atomic_store_n(&label[v], root, __ATOMIC_RELAXED);
    }
}

__attribute__((noinline)) double components(const struct graph *graph) {
    uint32_t *label = array(graph->vertices, sizeof *label);
    for (uint32_t v = 0; v < graph->vertices; v++)
        label[v] = v;
    while (hook(graph, label))
        shortcut(graph, label);
    double roots = 0;
    for (uint32_t v = 0; v < graph->vertices; v++)
        roots += label[v] == v;
    free(label);
    return roots;
}
