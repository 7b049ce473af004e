/* A table of 16384 rows of 256 bytes. Each row is read 1 + 4000 / (1 + rank) times, and the ranks are
 * scattered over the table; an argument says how often all that is done. */
#include <stdlib.h>

enum { ROWS = 16384, ROW_BYTES = 256 };

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    volatile char *table = malloc((size_t)ROWS * ROW_BYTES);
    if (table == NULL) return 1;
    for (int round = 0; round < rounds; round++)
        for (unsigned row = 0; row < ROWS; row++) {
            unsigned rank = row * 7919u % ROWS;
            for (unsigned times = 1 + 4000 / (1 + rank); times > 0; times--)
                (void)table[row * ROW_BYTES + times % ROW_BYTES];
        }
    free((void *)table);
    return 0;
}
