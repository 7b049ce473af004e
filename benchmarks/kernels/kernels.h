/* kernels.h - the graph kernels. Each is one function that is never inlined, so that a profiler can be told
 * to look at it alone, and returns a checksum that is the same for any number of threads.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include "graph.h"

/* PageRank, pull, `rounds` times. Sum of score x (vertex mod 8). */
double pagerank(const struct graph *graph, unsigned rounds);

/* Breadth-first search from `source`, top down. Sum of the depths reached. */
double breadth_first(const struct graph *graph, uint32_t source);

/* Connected components: the smallest label spreads, with shortcuts. The number of components. */
double components(const struct graph *graph);

/* Shortest paths from `source` by weight: a near and a far list. Sum of the distances reached. */
double shortest_paths(const struct graph *graph, uint32_t source);

/* Betweenness that the shortest paths from `source` give (Brandes). Sum over all vertices. */
double betweenness(const struct graph *graph, uint32_t source);

#endif
