/* Hazard: atfork handlers that allocate and free, before and after those of whoever else has registered some.
 */
#include "hazard.h"

#include <pthread.h>

static unsigned char *prepared;
static unsigned calls[3];

static void before(void) {
    prepared = take(100 * KIB, 1);
    free(take(3 * MIB, 9));
    calls[0]++;
}
static void after_in_parent(void) {
    calls[1] += intact(prepared, 100 * KIB, 1) == 100 * KIB;
    free(prepared);
}
static void after_in_child(void) {
    calls[2] += intact(prepared, 100 * KIB, 1) == 100 * KIB;
    prepared = realloc(prepared, 300 * KIB);
    free(take(3 * MIB, 2));
    free(prepared);
}

int main(void) {
    unsigned char *held = take(200 * KIB, 3);
    pthread_atfork(before, after_in_parent, after_in_child);
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(calls[2] == 1 && intact(held, 200 * KIB, 3) == 200 * KIB ? 10 + i : 1);
        say("child %d\n", ending(pid));
    }
    say("before %u parent %u child %u intact %zu\n", calls[0], calls[1], calls[2],
        intact(held, 200 * KIB, 3));
    free(held);
    return 0;
}
