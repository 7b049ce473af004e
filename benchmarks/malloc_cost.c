/* malloc_cost.c - how long one malloc and one free take, 15 frames deep, for 64 bytes and for 4 KiB. Prints
 * two numbers: nanoseconds of CPU time a pair, so that other programs on the machine disturb less. Each size
 * runs until 50 ms have passed, so that slow preloads take no longer than fast ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FIRST_PAIRS = 1000 };

static const double LONG_ENOUGH_NS = 50e6;

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static double run(size_t size, long pairs) {
    double start = now_ns();
    for (long i = 0; i < pairs; i++) {
        char *volatile block = malloc(size);
        block[0] = 1;
        free(block);
    }
    return now_ns() - start;
}

static double measure(size_t size) {
    double time_ns = 0;
    long pairs = FIRST_PAIRS;
    while ((time_ns = run(size, pairs)) < LONG_ENOUGH_NS)
        pairs *= 2;
    return time_ns / (double)pairs;
}

/* Frames that differ: the shim would fold a recursion into one. */
#define FRAME(number, inner)                                                                                 \
    __attribute__((noinline)) static double frame##number(size_t size) {                                     \
        double time_ns = inner(size);                                                                        \
        __asm__ volatile("" : : "m"(time_ns));                                                               \
        return time_ns;                                                                                      \
    }

FRAME(1, measure)
FRAME(2, frame1)
FRAME(3, frame2)
FRAME(4, frame3)
FRAME(5, frame4)
FRAME(6, frame5)
FRAME(7, frame6)
FRAME(8, frame7)
FRAME(9, frame8)
FRAME(10, frame9)
FRAME(11, frame10)

int main(void) {
    double small_ns = frame11(64), tracked_ns = frame11(4096);
    printf("%.3f %.3f\n", small_ns, tracked_ns);
    return 0;
}
