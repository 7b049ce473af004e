/* main.c - graph kernels with known access patterns, for the timing model's check.
 *
 *     kernels generate kron|uniform SCALE DEGREE SEED FILE
 *     kernels pr|bfs|cc|sssp|bc FILE
 *
 * One thread unless OMP_NUM_THREADS says otherwise. A kernel prints its name, the graph's size and its
 * checksum.
 */
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGERANK_ROUNDS = 2, SOURCE_SEED = 7 };

static int usage(void) {
    fprintf(stderr, "usage: kernels generate kron|uniform SCALE DEGREE SEED FILE\n"
                    "       kernels pr|bfs|cc|sssp|bc FILE\n");
    return 2;
}

static int generate(char **words) {
    enum graph_kind kind = strcmp(words[0], "kron") ? GRAPH_UNIFORM : GRAPH_KRONECKER;
    unsigned scale = (unsigned)strtoul(words[1], NULL, 10), degree = (unsigned)strtoul(words[2], NULL, 10);
    if ((kind == GRAPH_UNIFORM && strcmp(words[0], "uniform")) || scale < 4 || scale > 31 || degree < 1)
        return usage();
    graph_generate(kind, scale, degree, strtoull(words[3], NULL, 10), words[4]);
    return 0;
}

static int run(const char *kernel, const char *path) {
    struct graph graph = graph_load(path, !strcmp(kernel, "sssp"));
    uint32_t source = graph_source(&graph, SOURCE_SEED);
    double checksum;
    if (!strcmp(kernel, "pr"))
        checksum = pagerank(&graph, PAGERANK_ROUNDS);
    else if (!strcmp(kernel, "bfs"))
        checksum = breadth_first(&graph, source);
    else if (!strcmp(kernel, "cc"))
        checksum = components(&graph);
    else if (!strcmp(kernel, "sssp"))
        checksum = shortest_paths(&graph, source);
    else if (!strcmp(kernel, "bc"))
        checksum = betweenness(&graph, source);
    else
        return usage();
    printf("%s vertices %u edges %llu checksum %.9g\n", kernel, graph.vertices,
           (unsigned long long)graph.edges, checksum);
    graph_free(&graph);
    return 0;
}

int main(int count, char **words) {
    if (count == 7 && !strcmp(words[1], "generate")) return generate(words + 2);
    return count == 3 ? run(words[1], words[2]) : usage();
}
