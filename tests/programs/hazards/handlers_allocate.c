/* Hazard: signal handlers that call malloc, in a program that raises its signals only where it may. */
#include "hazard.h"

#include <signal.h>

static unsigned char *kept[64];
static unsigned n_kept;

static void on_signal(int number) {
    unsigned char *memory = take(20 * KIB + (size_t)number, (unsigned)number);
    if (n_kept < 64) kept[n_kept++] = realloc(memory, 500 * KIB);
}

int main(void) {
    size_t good = 0;
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    for (int i = 0; i < 64; i++) {
        unsigned char *memory = take((size_t)(i + 1) * 9000, 1);
        raise(i % 2 ? SIGUSR1 : SIGUSR2);
        good += intact(memory, (size_t)(i + 1) * 9000, 1) == (size_t)(i + 1) * 9000;
        free(memory);
    }
    for (unsigned i = 0; i < n_kept; i++) {
        unsigned number = i % 2 ? SIGUSR1 : SIGUSR2;
        good += intact(kept[i], 20 * KIB + number, number) == 20 * KIB + number;
        free(kept[i]);
    }
    say("handled %u good %zu\n", n_kept, good);
    return 0;
}
