/* graph.c - reading a graph's file, and the memory that kernels work on. */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>

void *array(uint64_t count, uint64_t item_bytes) {
    void *memory = calloc(count, item_bytes);
    if (!memory) {
        perror("kernels");
        exit(1);
    }
    return memory;
}

static void get(FILE *file, const char *path, void *data, uint64_t count, uint64_t item_bytes) {
    if (fread(data, item_bytes, count, file) != count) {
        fprintf(stderr, "%s: no graph of kernels generate, or cut short\n", path);
        exit(1);
    }
}

struct graph graph_load(const char *path, int with_weights) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    uint64_t header[2];
    get(file, path, header, 2, sizeof *header);
    struct graph graph = {.vertices = (uint32_t)header[0], .edges = header[1]};
    graph.offsets = array((uint64_t)graph.vertices + 1, sizeof *graph.offsets);
    get(file, path, graph.offsets, (uint64_t)graph.vertices + 1, sizeof *graph.offsets);
    graph.neighbours = array(graph.edges, sizeof *graph.neighbours);
    get(file, path, graph.neighbours, graph.edges, sizeof *graph.neighbours);
    if (with_weights) {
        graph.weights = array(graph.edges, sizeof *graph.weights);
        get(file, path, graph.weights, graph.edges, sizeof *graph.weights);
    }
    fclose(file);
    return graph;
}

void graph_free(struct graph *graph) {
    free(graph->offsets);
    free(graph->neighbours);
    free(graph->weights);
}

uint32_t graph_source(const struct graph *graph, uint64_t seed) {
    uint32_t vertex = (uint32_t)(mix(seed) % graph->vertices);
    while (graph->offsets[vertex] == graph->offsets[vertex + 1])
        vertex = (vertex + 1) % graph->vertices;
    return vertex;
}
