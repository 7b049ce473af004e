/* A program that computes in steps: each takes and frees as much again, beside much more that lives on.
 * Prints how many page faults all steps but the first had.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MIB = 1 << 20, LIVE_MIB = 400, STEPS = 5, PIECES = 12, PIECE_MIB = 8 };

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

static void step(void) {
    char *pieces[PIECES];
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = malloc((size_t)PIECE_MIB * MIB);
        memset(pieces[i], i, (size_t)PIECE_MIB * MIB);
    }
    for (int i = 0; i < PIECES; i++)
        free(pieces[i]);
}

int main(void) {
    char *volatile live = malloc((size_t)LIVE_MIB * MIB); /* never touched */
    step();
    long before = faults();
    for (int i = 1; i < STEPS; i++)
        step();
    printf("%ld\n", faults() - before);
    free(live);
    return 0;
}
