#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void become_program(const struct tp_options *options, const sigset_t *mask, int go,
                                     int failed) {
    char byte;
    ssize_t got;
    do
        got = read(go, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1) {
        for (unsigned i = 0; i < options->n_env; i++)
            putenv((char *)options->env[i]);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(options->command[0], options->command);
        int error = errno;
        if (write(failed, &error, sizeof error) < 0) _exit(126);
    }
    _exit(127);
}

int tp_child_start(struct tp_child *child, const struct tp_options *options, const sigset_t *mask) {
    int go[2], failed[2];
    if (pipe2(go, O_CLOEXEC) != 0) return errno;
    if (pipe2(failed, O_CLOEXEC) != 0) return errno;
    child->pid = fork();
    if (child->pid < 0) return errno;
    if (child->pid == 0) {
        close(go[1]); /* or it would never see the launcher die */
        become_program(options, mask, go[0], failed[1]);
    }
    close(go[0]);
    close(failed[1]);
    child->go = go[1];
    child->failed = failed[0];
    return 0;
}

int tp_child_go(struct tp_child *child) {
    int error = 0;
    if (write(child->go, "", 1) != 1) error = errno;
    close(child->go);
    if (error == 0 && read(child->failed, &error, sizeof error) != (ssize_t)sizeof error) error = 0;
    close(child->failed);
    return error;
}
