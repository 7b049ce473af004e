/* For Python programs: a signal handler that allocates, at any instruction of the interpreter; and a call
 * that holds its thread in C while the interpreter goes away. */
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

enum { HANDLED_BYTES = 300001, HELD_BYTES = 90001 };

volatile int handled;

/* Not what POSIX allows, but what programs do; the interrupted code uses no malloc. */
static void handle(int number) {
    (void)number;
    void *volatile block = malloc(HANDLED_BYTES);
    free(block);
    handled++;
}

/* A signal every `period_us`; 0: no more. */
void set_signals(int period_us) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, period_us}, {0, period_us}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Called without the interpreter's lock: allocates until the process ends. */
void hold(void) {
    void *volatile held;
    for (;;)
        free(held = malloc(HELD_BYTES));
}
