/* Hazard: children that have themselves traced by their parent, who looks at every stop: there must be none
 * but the program's own. The last of them comes from vfork, and must not end anything for its parent. */
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signal_spin.h"

static void follow(const char *name, pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        int number = WSTOPSIG(status);
        printf("%s: stopped by %d\n", name, number);
        ptrace(PTRACE_CONT, child, 0, number == SIGTRAP ? 0 : number == SIGSTOP ? 0 : number);
    }
    printf("%s: exit %d\n", name, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    fflush(stdout);
}

int main(int argc, char **argv) {
    spin();
    if (argc > 1) return 3;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        spin();
        _exit(2);
    }
    follow("itself", child);
    child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execl(argv[0], argv[0], "child", (char *)NULL);
        _exit(1);
    }
    follow("executed", child);
    child = vfork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        _exit(4);
    }
    follow("of vfork", child);
    spin();
    return 0;
}
