/* Hazard: a child asks to be traced, and its parent reads and writes its placed memory by ptrace. */
#include "hazard.h"

#include <signal.h>
#include <sys/ptrace.h>

int main(void) {
    long *memory = calloc(50000, sizeof *memory);
    memory[40000] = 12345;
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(SKIPPED);
        memory[100] = 777;
        raise(SIGSTOP);
        free(take(2 * MIB, 1));
        _exit(memory[200] == 888 ? 3 : 4);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status)) skip("tracing is not allowed here");
    say("stopped by %d\n", WSTOPSIG(status));
    say("child's %ld %ld\n", ptrace(PTRACE_PEEKDATA, pid, &memory[100], NULL),
        ptrace(PTRACE_PEEKDATA, pid, &memory[40000], NULL));
    ptrace(PTRACE_POKEDATA, pid, &memory[200], (void *)888);
    /* A signal that the emulated tier sends itself is passed on, as any debugger does. */
    for (int number = 0;; number = WSTOPSIG(status)) {
        ptrace(PTRACE_CONT, pid, NULL, number == SIGSTOP ? 0 : number);
        waitpid(pid, &status, 0);
        if (!WIFSTOPPED(status)) break;
    }
    say("ended %d own %ld %ld\n", WEXITSTATUS(status), memory[100], memory[200]);
    free(memory);
    return 0;
}
