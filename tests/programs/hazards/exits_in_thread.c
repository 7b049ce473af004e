/* Hazard: the first thread ends by pthread_exit, and the process by another's return from its handlers.
 * Status: 6
 */
#include "hazard.h"

#include <pthread.h>

static pthread_t first;
static unsigned char *memory;

static void at_end(void) {
    unsigned char *more = take(3 * MIB, 2);
    say("at exit %zu %zu\n", intact(memory, MIB, 1), intact(more, 3 * MIB, 2));
    free(more);
    free(memory);
}

static void *run(void *nothing) {
    pthread_join(first, NULL);
    free(take(200 * KIB, 3));
    exit(6);
}

int main(void) {
    pthread_t thread;
    first = pthread_self();
    memory = take(MIB, 1);
    atexit(at_end);
    pthread_create(&thread, NULL, run, NULL);
    pthread_exit(NULL);
}
