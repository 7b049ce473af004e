/* Hazard: a thread that is not the first executes another image while others allocate; later a thread of the
 * new image ends the process.
 * Status: 21
 */
#include "hazard.h"

#include <pthread.h>

static char **arguments;

static void *churn(void *nothing) {
    for (;;)
        free(memset(malloc(50 * KIB), 1, 50 * KIB));
    return nothing;
}

static void *execute(void *nothing) {
    char *again[] = {arguments[0], "again", NULL};
    execv("/proc/self/exe", again);
    _exit(9);
    return nothing;
}

static void at_end(void) {
    free(take(500 * KIB, 1));
    say("at exit\n");
}

static void *leave(void *memory) {
    say("intact %zu\n", intact(memory, 300 * KIB, 2));
    exit(21);
    return memory;
}

int main(int argc, char **argv) {
    pthread_t thread;
    arguments = argv;
    atexit(at_end);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread, NULL, churn, NULL);
    say("image %d\n", argc);
    pthread_create(&thread, NULL, argc == 1 ? execute : leave, take(300 * KIB, 2));
    pthread_join(thread, NULL);
    return 0;
}
