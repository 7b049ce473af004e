/* exact_marks.c - reads an array three times, the second time between the two calls of tierprof_region.h. */
#include <stdint.h>
#include <stdlib.h>

#include "tierprof_region.h"

enum { READS = 50000 };

__attribute__((noinline)) static uint64_t read_all(const volatile uint64_t *from) {
    uint64_t sum = 0;
    for (size_t i = 0; i < READS; i++)
        sum += from[i];
    return sum;
}

int main(void) {
    volatile uint64_t *from = calloc(READS, sizeof *from);
    uint64_t sum = read_all(from);
    tierprof_region_begin();
    sum += read_all(from);
    tierprof_region_end();
    sum += read_all(from);
    free((void *)from);
    return sum == 0 ? 0 : 1;
}
