/* bc.c - betweenness centrality from one source (Brandes 2001): shortest paths are counted outwards, level by
 * level, and dependences added up on the way back. Both ways gather, so that every sum is made in one order.
 */
#include "kernels.h"

#include <stdlib.h>

static const int32_t UNSEEN = -1;

struct search {
    int32_t *depth;
    double *paths, *dependence;
    uint32_t *order; /* vertices by depth */
    uint64_t *level; /* where in `order` each depth begins; one more than there are */
    uint32_t levels;
};

static uint64_t discover(const struct graph *graph, struct search *search, uint64_t begin, uint64_t end,
                         int32_t depth) {
    uint64_t size = end;
#pragma omp parallel for schedule(dynamic, 512)
    for (uint64_t i = begin; i < end; i++) {
        uint32_t v = search->order[i];
        for (uint64_t e = graph->offsets[v]; e < graph->offsets[v + 1]; e++) {
            uint32_t w = graph->neighbours[e];
            int32_t unseen = UNSEEN;
            if (__atomic_load_n(&search->depth[w], __ATOMIC_RELAXED) == UNSEEN &&
                __atomic_compare_exchange_n(&search->depth[w], &unseen, depth, 0, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
                search->order[__atomic_fetch_add(&size, 1, __ATOMIC_RELAXED)] = w;
        }
    }
    return size;
}

static void count_paths(const struct graph *graph, struct search *search, uint64_t begin, uint64_t end,
                        int32_t depth) {
#pragma omp parallel for schedule(dynamic, 512)
    for (uint64_t i = begin; i < end; i++) {
        uint32_t w = search->order[i];
        double sum = 0;
        for (uint64_t e = graph->offsets[w]; e < graph->offsets[w + 1]; e++) {
            uint32_t v = graph->neighbours[e];
            if (search->depth[v] == depth - 1) sum += search->paths[v];
        }
        search->paths[w] = sum;
    }
}

static void add_dependences(const struct graph *graph, struct search *search, uint64_t begin, uint64_t end,
                            int32_t depth) {
#pragma omp parallel for schedule(dynamic, 512)
    for (uint64_t i = begin; i < end; i++) {
        uint32_t v = search->order[i];
        double sum = 0;
        for (uint64_t e = graph->offsets[v]; e < graph->offsets[v + 1]; e++) {
            uint32_t w = graph->neighbours[e];
            if (search->depth[w] == depth + 1) sum += (1 + search->dependence[w]) / search->paths[w];
        }
        search->dependence[v] = search->paths[v] * sum;
    }
}

__attribute__((noinline)) static void brandes(const struct graph *graph, struct search *search,
                                              uint32_t source) {
    search->depth[source] = 0;
    search->paths[source] = 1;
    search->order[0] = source;
    search->level[1] = 1;
    uint32_t depth = 1;
    for (;; depth++) {
        uint64_t begin = search->level[depth - 1], end = search->level[depth];
        search->level[depth + 1] = discover(graph, search, begin, end, (int32_t)depth);
        if (search->level[depth + 1] == end) break;
        count_paths(graph, search, end, search->level[depth + 1], (int32_t)depth);
    }
    for (uint32_t at = depth - 1; at > 0; at--)
        add_dependences(graph, search, search->level[at - 1], search->level[at], (int32_t)at - 1);
}

__attribute__((noinline)) double betweenness(const struct graph *graph, uint32_t source) {
    uint32_t n = graph->vertices;
    struct search search = {.depth = array(n, sizeof(int32_t)),
                            .paths = array(n, sizeof(double)),
                            .dependence = array(n, sizeof(double)),
                            .order = array(n, sizeof(uint32_t)),
                            .level = array((uint64_t)n + 2, sizeof(uint64_t))};
    for (uint32_t v = 0; v < n; v++)
        search.depth[v] = UNSEEN;
    brandes(graph, &search, source);
    double sum = 0;
    for (uint32_t v = 0; v < n; v++)
        sum += v == source ? 0 : search.dependence[v];
    free(search.depth);
    free(search.paths);
    free(search.dependence);
    free(search.order);
    free(search.level);
    return sum;
}
