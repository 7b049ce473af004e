/* sssp.c - shortest paths by weight. Vertices whose distance has just fallen wait in the near list if it lies
 * below a limit, else in the far one; when the near list is empty, the limit rises (Davidson et al. 2014,
 * after delta-stepping).
 */
#include "kernels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t STEP = 128, UNREACHED = UINT32_MAX;

struct list {
    uint32_t *vertex;
    uint32_t size;
};

/* No list can hold more than every vertex once: one waits in `near` or `next` at most once, and enters `far`
 * when it is first reached, if at all. */
struct paths {
    const struct graph *graph;
    uint32_t *distance;
    uint8_t *waits; /* in near or next */
    struct list near, next, far;
};

static void put(struct list *list, uint32_t vertex) {
    list->vertex[__atomic_fetch_add(&list->size, 1, __ATOMIC_RELAXED)] = vertex;
}

/* Lowers a vertex's distance to `to`, if it is higher, and has it wait for its turn. */
static void reach(struct paths *paths, uint32_t vertex, uint32_t to, uint32_t limit) {
    uint32_t now = __atomic_load_n(&paths->distance[vertex], __ATOMIC_RELAXED);
    do {
        if (to >= now) return;
    } while (!__atomic_compare_exchange_n(&paths->distance[vertex], &now, to, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    if (to >= limit) {
        if (now == UNREACHED) put(&paths->far, vertex);
    } else if (!__atomic_exchange_n(&paths->waits[vertex], 1, __ATOMIC_RELAXED))
        put(&paths->next, vertex);
}

static void relax(struct paths *paths, uint32_t limit) {
    const struct graph *graph = paths->graph;
#pragma omp parallel for schedule(dynamic, 512)
    for (uint32_t i = 0; i < paths->near.size; i++) {
        uint32_t v = paths->near.vertex[i];
        __atomic_store_n(&paths->waits[v], 0, __ATOMIC_RELEASE);
        uint32_t from = __atomic_load_n(&paths->distance[v], __ATOMIC_ACQUIRE);
        for (uint64_t e = graph->offsets[v]; e < graph->offsets[v + 1]; e++)
            reach(paths, graph->neighbours[e], from + graph->weights[e], limit);
    }
}

/* Moves what lies below the limit from the far list to the near one; what a better path has settled is
 * dropped. */
static void refill(struct paths *paths, uint32_t limit) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < paths->far.size; i++) {
        uint32_t v = paths->far.vertex[i], at = paths->distance[v];
        if (at < limit - STEP) continue;
        if (at < limit) {
            paths->waits[v] = 1;
            put(&paths->near, v);
        } else
            paths->far.vertex[kept++] = v;
    }
    paths->far.size = kept;
}

__attribute__((noinline)) static void settle(struct paths *paths) {
    for (uint32_t limit = STEP; paths->near.size || paths->far.size; limit += STEP) {
        if (limit > STEP) refill(paths, limit);
        while (paths->near.size) {
            relax(paths, limit);
            struct list done = paths->near;
            paths->near = paths->next;
            paths->next = (struct list){done.vertex, 0};
        }
    }
}

__attribute__((noinline)) double shortest_paths(const struct graph *graph, uint32_t source) {
    uint32_t n = graph->vertices;
    struct paths paths = {.graph = graph,
                          .distance = array(n, sizeof(uint32_t)),
                          .waits = array(n, 1),
                          .near = {array(n, sizeof(uint32_t)), 0},
                          .next = {array(n, sizeof(uint32_t)), 0},
                          .far = {array(n, sizeof(uint32_t)), 0}};
    memset(paths.distance, 0xFF, n * sizeof(uint32_t)); /* UNREACHED */
    paths.distance[source] = 0;
    put(&paths.near, source);
    settle(&paths);
    double sum = 0;
    for (uint32_t v = 0; v < n; v++)
        sum += paths.distance[v] == UNREACHED ? 0 : paths.distance[v];
    free(paths.distance);
    free(paths.waits);
    free(paths.near.vertex);
    free(paths.next.vertex);
    free(paths.far.vertex);
    return sum;
}
