#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a SIGKILL of the launcher may lose of the samples. */
#define DRAIN_INTERVAL_MS 1000

void tp_supervise_signals(sigset_t *set) {
    static const int taken[] = {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    sigemptyset(set);
    for (unsigned i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(set, taken[i]);
}

/* The terminal sends SIGINT and SIGQUIT to the whole group, the program included; the others come to the
 * wrapper alone and are meant for the program. */
static void pass_on(int signals, pid_t program) {
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP) kill(program, (int)info.ssi_signo);
}

static bool reaped(const struct tp_child *child, struct tp_report *report) {
    pid_t pid = wait4(child->pid, &report->status, WNOHANG, &report->program);
    return pid == child->pid || (pid < 0 && errno == ECHILD);
}

void tp_supervise(const struct tp_child *child, const sigset_t *signals, struct tp_drain *drain,
                  struct tp_report *report) {
    unsigned n = drain->perf->n_rings;
    struct pollfd *fds = calloc(n + 1, sizeof *fds);
    int signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fds == NULL || signal_fd < 0) { /* no samples then, but the program is served */
        wait4(child->pid, &report->status, 0, &report->program);
        free(fds);
        return;
    }
    for (unsigned r = 0; r < n; r++)
        fds[r] = (struct pollfd){.fd = drain->perf->rings[r].fds[0], .events = POLLIN};
    fds[n] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
    while (!reaped(child, report)) {
        int ready = poll(fds, n + 1, n > 0 ? DRAIN_INTERVAL_MS : -1);
        if (ready > 0 && fds[n].revents != 0) pass_on(signal_fd, child->pid);
        for (unsigned r = 0; r < n && ready > 0; r++)
            if (fds[r].revents & (POLLHUP | POLLERR))
                fds[r].fd = -1; /* its processes are gone: it would always be ready */
        tp_drain_all(drain);
    }
    close(signal_fd);
    free(fds);
}
