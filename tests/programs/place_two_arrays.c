/* place_two_arrays.c - two objects of fixed size, a fixed number of random reads of each: the first is read
 * four times as often. With an argument it ends with that status. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOT_BYTES = 24 << 20, WARM_BYTES = 40 << 20, ROUNDS = 8, HOT_READS = 400000, WARM_READS = 100000 };

/* Not inlined, and no tail call: each is a frame of its own, so that the two are two sites. */
__attribute__((noinline)) static uint64_t *make_hot(void) {
    uint64_t *made = malloc(HOT_BYTES);
    memset(made, 1, HOT_BYTES);
    return made;
}

__attribute__((noinline)) static uint64_t *make_warm(void) {
    uint64_t *made = malloc(WARM_BYTES);
    memset(made, 2, WARM_BYTES);
    return made;
}

static uint64_t read_at_random(const uint64_t *from, size_t count, size_t reads, uint64_t seed) {
    uint64_t sum = 0;
    for (size_t i = 0; i < reads; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        sum += from[seed % count];
    }
    return sum;
}

int main(int argc, char **argv) {
    uint64_t *hot = make_hot(), *warm = make_warm(), sum = 0;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        sum += read_at_random(hot, HOT_BYTES / 8, HOT_READS, round);
        sum += read_at_random(warm, WARM_BYTES / 8, WARM_READS, round);
    }
    printf("%llu\n", (unsigned long long)sum);
    free(hot);
    free(warm);
    return argc > 1 ? atoi(argv[1]) : 0;
}
