/* Hazard: longjmp across frames of the C library, out of a callback and out of a signal handler, with memory
 * that the frames left behind. */
#include "hazard.h"

#include <setjmp.h>
#include <signal.h>

static jmp_buf out;
static sigjmp_buf out_of_handler;
static unsigned char *left[40];
static int n_left;

static int compare(const void *one, const void *other) {
    static int calls;
    left[n_left] = take(60 * KIB, (unsigned)n_left);
    n_left++;
    if (++calls % 10 == 0) longjmp(out, calls);
    return *(const int *)one - *(const int *)other;
}

static void on_segv(int number) {
    left[n_left] = take(60 * KIB, (unsigned)n_left);
    n_left++;
    siglongjmp(out_of_handler, number);
}

int main(void) {
    int *numbers = malloc(20000 * sizeof *numbers);
    volatile int jumps = 0, caught = 0;
    signal(SIGSEGV, on_segv);
    while (n_left < 30) {
        for (int i = 0; i < 20000; i++)
            numbers[i] = 20000 - i;
        if (setjmp(out) == 0)
            qsort(numbers, 20000, sizeof *numbers, compare);
        else
            jumps++;
    }
    for (volatile int i = 0; i < 5; i++) {
        if (sigsetjmp(out_of_handler, 1) == 0)
            *(volatile int *)(uintptr_t)(64 + 4 * i) = 1; /* in the page that nobody has */
        else
            caught++;
    }
    size_t good = 0;
    for (int i = 0; i < n_left; i++) {
        good += intact(left[i], 60 * KIB, (unsigned)i) == 60 * KIB;
        free(left[i]);
    }
    say("jumps %d caught %d good %zu of %d\n", jumps, caught, good, n_left);
    free(numbers);
    return 0;
}
