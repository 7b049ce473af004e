/* Says `ready`, then waits: SIGTERM ends it with status 7, SIGHUP prints `hangup`, the end of its input ends
 * it with status 0. */
#include <signal.h>
#include <unistd.h>

static void on_term(int number) {
    _exit(7);
}
static void on_hangup(int number) {
    if (write(1, "hangup\n", 7) < 0) _exit(1);
}

int main(void) {
    struct sigaction hangup = {.sa_handler = on_hangup, .sa_flags = SA_RESTART};
    signal(SIGTERM, on_term);
    sigaction(SIGHUP, &hangup, NULL);
    if (write(1, "ready\n", 6) < 0) return 1;
    char byte;
    while (read(0, &byte, 1) > 0)
        continue;
    return 0;
}
