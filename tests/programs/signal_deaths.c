/* Hazard: children that SIGTRAP or SIGSEGV kills, in every way, while samples strike; their parent tells how.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signal_spin.h"

static void breakpoint(void) {
#if defined(__x86_64__)
    __asm__ volatile("int3");
#else
    raise(SIGTRAP);
#endif
}

static void by_raise(void) {
    raise(SIGTRAP);
}
static void by_kill(void) {
    kill(getpid(), SIGTRAP);
    spin();
}
static void by_breakpoint(void) {
    breakpoint();
}
static void by_ignored_breakpoint(void) {
    signal(SIGTRAP, SIG_IGN);
    breakpoint();
}
static void by_blocked_breakpoint(void) {
    sigset_t trap;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    sigprocmask(SIG_BLOCK, &trap, NULL);
    breakpoint();
}
static void by_unblocking(void) {
    sigset_t trap;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    sigprocmask(SIG_BLOCK, &trap, NULL);
    kill(getpid(), SIGTRAP);
    puts("not yet");
    fflush(stdout);
    sigprocmask(SIG_UNBLOCK, &trap, NULL);
}
static void by_fault(void) {
    *(volatile int *)16 = 1;
}
static void by_nothing(void) {
    signal(SIGTRAP, SIG_IGN);
    raise(SIGTRAP);
    kill(getpid(), SIGTRAP);
    spin();
    _exit(7);
}

static void tell(const char *name, void (*die)(void)) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        spin();
        die();
        _exit(0);
    }
    waitpid(child, &status, 0);
    printf("%s: %s %d\n", name, WIFSIGNALED(status) ? "killed by" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    fflush(stdout);
}

int main(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    tell("raise", by_raise);
    tell("kill", by_kill);
    tell("breakpoint", by_breakpoint);
    tell("ignored breakpoint", by_ignored_breakpoint);
    tell("blocked breakpoint", by_blocked_breakpoint);
    tell("unblocking", by_unblocking);
    tell("fault", by_fault);
    tell("nothing", by_nothing);
    return 0;
}
