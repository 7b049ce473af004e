/* Hazard: SIGTRAP belongs to the emulation, but the program has a mind of its own about it: it asks for the
 * default action, which would kill it at the next sample, then for a handler, and sends itself the signal. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t seen;

static void on_trap(int number) {
    seen += number == SIGTRAP;
}

static int read_for_a_while(const uint64_t *array, size_t words) {
    uint64_t state = 88172645463325252ull, sum = 0;
    clock_t until = clock() + CLOCKS_PER_SEC / 10;
    while (clock() < until)
        for (int i = 0; i < 10000; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u + sum;
            sum += array[(state >> 20) % words];
        }
    return sum == 0;
}

int main(void) {
    size_t bytes = (size_t)64 << 20;
    uint64_t *array = malloc(bytes);
    memset(array, 0, bytes);
    signal(SIGTRAP, SIG_DFL);
    int done = read_for_a_while(array, bytes / 8);
    struct sigaction action = {.sa_handler = on_trap}, before;
    sigaction(SIGTRAP, &action, &before);
    done += read_for_a_while(array, bytes / 8);
    raise(SIGTRAP);
    signal(SIGTRAP, SIG_IGN);
    raise(SIGTRAP);
    printf("rounds %d seen %d before %s after %s\n", done, (int)seen,
           before.sa_handler == SIG_DFL ? "default" : "other",
           signal(SIGTRAP, SIG_DFL) == SIG_IGN ? "ignored" : "other");
    free(array);
    return 0;
}
