/* Hazard: _exit with threads, memory and buffers alive: nothing of the program's may run or be written any
 * more. Status: 42
 */
#include "hazard.h"

#include <pthread.h>

static void never(void) {
    say("never\n");
}

static void *churn(void *nothing) {
    for (;;)
        free(memset(malloc(50 * KIB), 1, 50 * KIB));
    return nothing;
}

int main(void) {
    pthread_t thread;
    atexit(never);
    printf("never written");
    pthread_create(&thread, NULL, churn, NULL);
    unsigned char *memory = take(MIB, 1);
    say("intact %zu\n", intact(memory, MIB, 1));
    _exit(42);
}
