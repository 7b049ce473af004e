/* A table of 524288 rows of 256 bytes, read at random: nine reads of ten go to a sixteenth of the rows.
 * `tail`: these are its last ones; else every sixteenth. What is read is zero and goes into the next place,
 * so that each read waits for the last. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 1 << 19, ROW_WORDS = 32, READS = 5000000 };

int main(int argc, char **argv) {
    int tail = argc > 1 && strcmp(argv[1], "tail") == 0;
    uint64_t *table = malloc((size_t)ROWS * ROW_WORDS * sizeof *table), state = 1, sum = 0;
    if (table == NULL) return 1;
    memset(table, 0, (size_t)ROWS * ROW_WORDS * sizeof *table);
    for (int read = 0; read < READS; read++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t drawn = (state ^ sum) >> 33, row = drawn % ROWS;
        if (drawn / ROWS % 10 != 0) row = tail ? row / 16 + ROWS / 16 * 15 : row & ~15u;
        sum += table[row * ROW_WORDS];
    }
    printf("%llu\n", (unsigned long long)sum);
    free(table);
    return 0;
}
