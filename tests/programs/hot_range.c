/* A table of 64 MiB that is read at random, COUNT times: of 16 reads 15 are in the 8 MiB from 24 MiB on. Each
 * read waits for the one before. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

__attribute__((noinline)) static uint64_t *make_table(size_t bytes) {
    return memset(malloc(bytes), 1, bytes);
}

__attribute__((noinline)) static uint64_t read_slots(const uint64_t *table, uint64_t state, uint64_t *sum) {
    const size_t slots = 64 * MIB / 8, hot = 8 * MIB / 8, first = 24 * MIB / 8;
    state = state * 6364136223846793005u + 1442695040888963407u + (*sum & 1);
    uint64_t random = state >> 33, slot = (random & 15) ? first + (random >> 4) % hot : (random >> 4) % slots;
    *sum += table[slot];
    return state;
}

int main(int argc, char **argv) {
    uint64_t *table = make_table(64 * MIB), state = 1, sum = 0;
    for (size_t left = strtoull(argv[argc - 1], NULL, 10); left > 0; left--)
        state = read_slots(table, state, &sum);
    printf("%lu\n", (unsigned long)sum);
    free(table);
    return 0;
}
