/* pr.c - PageRank: each vertex gathers what its neighbours give. */
#include "kernels.h"

#include <stdlib.h>

static const float DAMPING = 0.85f;

static void share_out(const struct graph *graph, const float *score, float *given) {
#pragma omp parallel for schedule(static)
    for (uint32_t v = 0; v < graph->vertices; v++) {
        uint64_t degree = graph->offsets[v + 1] - graph->offsets[v];
        given[v] = degree ? score[v] / (float)degree : 0;
    }
}

static void gather(const struct graph *graph, float *score, const float *given) {
    float base = (1 - DAMPING) / (float)graph->vertices;
#pragma omp parallel for schedule(dynamic, 4096)
    for (uint32_t v = 0; v < graph->vertices; v++) {
        float sum = 0;
        for (uint64_t e = graph->offsets[v]; e < graph->offsets[v + 1]; e++)
            sum += given[graph->neighbours[e]];
        score[v] = base + DAMPING * sum;
    }
}

__attribute__((noinline)) static void rank_rounds(const struct graph *graph, float *score, float *given,
                                                  unsigned rounds) {
    for (unsigned round = 0; round < rounds; round++) {
        share_out(graph, score, given);
        gather(graph, score, given);
    }
}

__attribute__((noinline)) double pagerank(const struct graph *graph, unsigned rounds) {
    float *score = array(graph->vertices, sizeof *score);
    float *given = array(graph->vertices, sizeof *given);
    for (uint32_t v = 0; v < graph->vertices; v++)
        score[v] = 1 / (float)graph->vertices;
    rank_rounds(graph, score, given, rounds);
    double sum = 0;
    for (uint32_t v = 0; v < graph->vertices; v++)
        sum += (double)score[v] * (v % 8);
    free(score);
    free(given);
    return sum;
}
