/* Hazard: what a program has set for SIGTRAP goes over to what it executes: ignored stays ignored, a handler
 * becomes the default. With an argument it only tells what it was given. */
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signal_spin.h"

extern char **environ;

static void on_trap(int number) {}

static void spawn(const char *program, const char *name) {
    char *words[] = {(char *)program, (char *)name, NULL};
    pid_t child;
    if (posix_spawn(&child, program, NULL, NULL, words, environ) == 0) waitpid(child, NULL, 0);
}

static void run(const char *program, const char *name, int how) {
    char *words[] = {(char *)program, (char *)name, NULL};
    pid_t child = how == 3 ? vfork() : fork();
    if (child == 0) {
        execl("/nowhere/at/all", "x", (char *)NULL); /* fails, and changes nothing */
        if (how == 0) execv(program, words);
        if (how == 1) execl(program, program, name, (char *)NULL);
        if (how == 2) execle(program, program, name, (char *)NULL, environ);
        execve(program, words, environ);
        _exit(1);
    }
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv) {
    struct sigaction now;
    sigaction(SIGTRAP, NULL, &now);
    if (argc > 1) {
        printf("%s: %s\n", argv[1],
               now.sa_handler == SIG_IGN   ? "ignored"
               : now.sa_handler == SIG_DFL ? "default"
                                           : "other");
        return 0;
    }
    signal(SIGTRAP, SIG_IGN);
    spin();
    for (int how = 0; how < 4; how++)
        run(argv[0], "exec", how);
    spawn(argv[0], "spawn");
    signal(SIGTRAP, on_trap);
    run(argv[0], "exec with handler", 0);
    spawn(argv[0], "spawn with handler");
    raise(SIGTRAP);
    return 0;
}
