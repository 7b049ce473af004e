/* Hazard: all signals are blocked, in the threads that are started, too; and what is pending stays pending.
 */
#include "hazard.h"

#include <pthread.h>
#include <signal.h>

static void *run(void *nothing) {
    unsigned char *memory = take(2 * MIB, 1);
    for (int i = 0; i < 20; i++) {
        memory = realloc(memory, (size_t)(i % 5 + 1) * MIB + 5);
        free(take(10 * KIB + (size_t)i, 1));
    }
    free(memory);
    return nothing;
}

int main(void) {
    sigset_t all, before, pending;
    pthread_t thread;
    int n_pending = 0, n_blocked = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    raise(SIGUSR1);
    raise(SIGTRAP);
    pthread_create(&thread, NULL, run, NULL);
    run(NULL);
    pthread_join(thread, NULL);
    sigpending(&pending);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    for (int number = 1; number < 32; number++) {
        n_pending += sigismember(&pending, number);
        n_blocked += sigismember(&before, number);
    }
    say("pending %d blocked %d\n", n_pending, n_blocked);
    say("waited %d\n", sigwaitinfo(&(sigset_t){{1ul << (SIGUSR1 - 1)}}, NULL) == SIGUSR1);
    return 0;
}
