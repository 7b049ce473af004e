/* Hazard: a program that blocks SIGTRAP looks at what is pending, and opens its mask for a moment, in every
 * way there is. A sample that waits there is not its own: it must not see it, nor be woken by it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#include "signal_spin.h"

static volatile sig_atomic_t traps, alarms;

static void on_trap(int number) {
    traps++;
}
static void on_alarm(int number) {
    alarms++;
}

static int pending(void) {
    sigset_t waiting;
    sigpending(&waiting);
    return sigismember(&waiting, SIGTRAP);
}

/* A sample may strike between the look at what is pending and the call: so often that some do. */
static int interrupted(const sigset_t *mask) {
    const struct timespec at_once = {0, 0};
    int n = 0;
    for (int i = 0; i < 100000; i++)
        n += ppoll(NULL, 0, &at_once, mask) != 0;
    return n;
}

int main(void) {
    sigset_t trap, none, alarm_only;
    const struct timespec soon = {0, 2000000};
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    sigemptyset(&none);
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    signal(SIGTRAP, on_trap);
    signal(SIGALRM, on_alarm);
    spin();
    sigprocmask(SIG_BLOCK, &trap, NULL);
    spin();
    printf("pending %d\n", pending());
    spin();
    printf("ppoll %d\n", ppoll(NULL, 0, &soon, &none));
    spin();
    printf("pselect %d\n", pselect(0, NULL, NULL, NULL, &soon, &none));
    spin();
    printf("epoll_pwait %d\n", epoll_pwait(epoll_fd, &event, 1, 2, &none));
    printf("interrupted %d\n", interrupted(&none));
    sigprocmask(SIG_BLOCK, &alarm_only, NULL);
    spin();
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, NULL);
    int suspended = sigsuspend(&none);
    printf("sigsuspend %d %s by %d\n", suspended, strerror(errno), (int)alarms);
    spin();
    raise(SIGTRAP);
    printf("raised %d\n", pending());
    kill(getpid(), SIGTRAP);
    int polled = ppoll(NULL, 0, NULL, &none);
    printf("ppoll %d %s seen %d\n", polled, strerror(errno), (int)traps);
    close(epoll_fd);
    return 0;
}
