/* COUNT allocations of 64 MiB, one after the other, from one site; the first word of every page is written if
 * TOUCH. Prints the microseconds of CPU time of one malloc, those writes and one free. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BYTES = 64 << 20 };

static __attribute__((noinline)) char *make(size_t size) {
    char *object = malloc(size);
    __asm__ volatile("" : "+r"(object));
    return object;
}

static double cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int count = atoi(argv[1]), touch = atoi(argv[2]);
    double start = cpu_us();
    for (int i = 0; i < count; i++) {
        char *object = make(BYTES);
        for (size_t at = 0; touch && at < BYTES; at += 4096)
            object[at] = 1;
        free(object);
    }
    printf("%.3f\n", (cpu_us() - start) / count);
    return 0;
}
