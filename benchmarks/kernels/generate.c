/* generate.c - Kronecker graphs (Graph500's initiator 0.57 0.19 0.19 0.05) and uniform ones, into a file. */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>

struct edge {
    uint32_t from, to;
};

/* Thresholds of a 16-bit draw: 0.57, 0.57 + 0.19, 0.57 + 0.19 + 0.19. */
enum { TOP_LEFT = 37356, TOP = 49807, BUT_LAST = 62259 };

static struct edge kronecker_edge(uint64_t number, unsigned scale, uint64_t seed) {
    struct edge edge = {0, 0};
    uint64_t draws = 0;
    for (unsigned level = 0; level < scale; level++) {
        draws = level % 4 ? draws >> 16 : mix(seed + number * 8 + level / 4);
        unsigned draw = draws & 0xFFFF;
        unsigned lower = draw >= TOP;
        unsigned right = draw >= BUT_LAST || (draw >= TOP_LEFT && draw < TOP);
        edge.from = edge.from << 1 | lower;
        edge.to = edge.to << 1 | right;
    }
    return edge;
}

static struct edge uniform_edge(uint64_t number, unsigned scale, uint64_t seed) {
    uint64_t draw = mix(seed + number);
    uint32_t mask = (uint32_t)((1ull << scale) - 1);
    return (struct edge){(uint32_t)draw & mask, (uint32_t)(draw >> 32) & mask};
}

/* Vertices are renamed, or their degree would follow from their number. An odd factor and a fold are a
 * permutation. */
static uint32_t renamed(uint32_t vertex, unsigned scale) {
    uint32_t mask = (uint32_t)((1ull << scale) - 1);
    for (int round = 0; round < 3; round++) {
        vertex = (vertex * 0x9E3779B1u) & mask;
        vertex ^= vertex >> (scale / 2 + 1);
    }
    return vertex;
}

static void make_edges(struct edge *edges, uint64_t count, enum graph_kind kind, unsigned scale,
                       uint64_t seed) {
    uint64_t start = mix(seed);
#pragma omp parallel for schedule(static)
    for (uint64_t i = 0; i < count; i++) {
        struct edge edge =
            kind == GRAPH_UNIFORM ? uniform_edge(i, scale, start) : kronecker_edge(i, scale, start);
        edges[i] = (struct edge){renamed(edge.from, scale), renamed(edge.to, scale)};
    }
}

static void put(FILE *file, const char *path, const void *data, uint64_t count, uint64_t item_bytes) {
    if (fwrite(data, item_bytes, count, file) != count) {
        perror(path);
        exit(1);
    }
}

/* A counting sort of both directions of each edge by its first vertex. */
static struct graph sorted(const struct edge *edges, uint64_t count, uint32_t vertices) {
    struct graph graph = {.vertices = vertices, .edges = 2 * count};
    graph.offsets = array((uint64_t)vertices + 2, sizeof *graph.offsets);
    graph.neighbours = array(graph.edges, sizeof *graph.neighbours);
    graph.weights = array(graph.edges, sizeof *graph.weights);
    uint64_t *next =
        graph.offsets + 1; /* shifted by one: filling moves each start to where the next one begins */
    for (uint64_t i = 0; i < count; i++) {
        next[(uint64_t)edges[i].from + 1]++;
        next[(uint64_t)edges[i].to + 1]++;
    }
    for (uint64_t v = 1; v <= vertices; v++)
        next[v] += next[v - 1];
    for (uint64_t i = 0; i < count; i++) {
        struct edge edge = edges[i];
        uint8_t weight = (uint8_t)(mix((uint64_t)edge.from + edge.to) % 255 + 1);
        uint64_t there = next[edge.from]++, back = next[edge.to]++;
        graph.neighbours[there] = edge.to;
        graph.neighbours[back] = edge.from;
        graph.weights[there] = graph.weights[back] = weight;
    }
    return graph;
}

void graph_generate(enum graph_kind kind, unsigned scale, unsigned degree, uint64_t seed, const char *path) {
    uint32_t vertices = 1u << scale;
    uint64_t count = (uint64_t)degree << scale;
    struct edge *edges = array(count, sizeof *edges);
    make_edges(edges, count, kind, scale, seed);
    struct graph graph = sorted(edges, count, vertices);
    free(edges);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(1);
    }
    uint64_t header[2] = {vertices, graph.edges};
    put(file, path, header, 2, sizeof *header);
    put(file, path, graph.offsets, (uint64_t)vertices + 1, sizeof *graph.offsets);
    put(file, path, graph.neighbours, graph.edges, sizeof *graph.neighbours);
    put(file, path, graph.weights, graph.edges, sizeof *graph.weights);
    if (fclose(file)) {
        perror(path);
        exit(1);
    }
    graph_free(&graph);
}
