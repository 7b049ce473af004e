/* Hazard: abort, with a handler that allocates and returns; the status is the signal's.
 * Status: -6
 */
#include "hazard.h"

#include <signal.h>
#include <sys/resource.h>

static void on_abort(int number) {
    unsigned char *memory = take(300 * KIB, 2);
    say("signal %d intact %zu\n", number, intact(memory, 300 * KIB, 2));
}

int main(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    unsigned char *memory = take(MIB, 1);
    pid_t pid = fork();
    if (pid == 0) *(volatile int *)8 = 1;
    say("child %d\n", ending(pid));
    pid = fork();
    if (pid == 0) __builtin_trap();
    say("child %d\n", ending(pid));
    pid = fork();
    if (pid == 0) raise(SIGTRAP);
    say("child %d\n", ending(pid));
    signal(SIGABRT, on_abort);
    say("intact %zu\n", intact(memory, MIB, 1));
    abort();
}
