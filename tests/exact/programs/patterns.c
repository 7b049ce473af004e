/* patterns.c - walks, gathers, chases and scatters over arrays larger than the last-level cache, always the
 * same.
 *
 * Everything happens inside work(), on memory that nothing touched before, so that a tool that measures from
 * there on and one that measures the whole run see the same. No access spans two lines, no instruction both
 * reads and writes memory. */
#include <stdint.h>
#include <stdio.h>

#define VALUES (1u << 20)
#define SLOTS (1u << 19)

static uint32_t values[VALUES] __attribute__((aligned(64)));
uint64_t slots[SLOTS] __attribute__((aligned(64)));

static uint32_t next_random(uint32_t state) {
    return state * 1664525u + 1013904223u;
}

__attribute__((noinline)) static void fill(void) {
    for (uint32_t i = 0; i < VALUES; ++i)
        values[i] = i * 2654435761u;
}

__attribute__((noinline)) static uint64_t walk(uint32_t step, uint32_t rounds) {
    uint64_t sum = 0;
    for (uint32_t round = 0; round < rounds; ++round)
        for (uint32_t i = 0; i < VALUES; i += step)
            sum += values[i];
    return sum;
}

__attribute__((noinline)) static uint64_t gather(uint32_t count, uint32_t among) {
    uint64_t sum = 0;
    for (uint32_t state = 1, i = 0; i < count; ++i)
        sum += values[(state = next_random(state)) >> 8 & (among - 1)];
    return sum;
}

__attribute__((noinline)) static uint32_t chase(uint32_t count) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; ++i)
        at = ((values[at] >> 5) + i) & (VALUES - 1);
    return at;
}

__attribute__((noinline)) static void scatter(uint32_t count) {
    for (uint32_t state = 7, i = 0; i < count; ++i)
        slots[(state = next_random(state)) >> 8 & (SLOTS - 1)] = i;
}

__attribute__((noinline)) uint64_t work(void) {
    fill();
    uint64_t sum = walk(1, 1) + walk(16, 3) + walk(1024, 20);
    sum += gather(200000, VALUES) + gather(200000, 16384);
    sum += chase(100000);
    scatter(200000);
    return sum;
}

int main(void) {
    printf("%llu\n", (unsigned long long)work());
    return 0;
}
