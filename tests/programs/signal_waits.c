/* Hazard: a program that blocks SIGTRAP and waits for it must not be given a sample that waits with it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "signal_spin.h"

int main(void) {
    sigset_t trap;
    siginfo_t info;
    int number = 0;
    const struct timespec soon = {0, 20000000}, wrong = {0, 2000000000};
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    sigprocmask(SIG_BLOCK, &trap, NULL);
    spin();
    int waited = sigtimedwait(&trap, &info, &soon);
    printf("nothing %d %s\n", waited, strerror(errno));
    waited = sigtimedwait(&trap, &info, &wrong);
    printf("wrong %d %s\n", waited, strerror(errno));
    spin();
    sigqueue(getpid(), SIGTRAP, (union sigval){.sival_int = 7});
    printf("waited %d", sigwaitinfo(&trap, &info));
    printf(" code %d value %d\n", info.si_code, info.si_value.sival_int);
    spin();
    kill(getpid(), SIGTRAP);
    waited = sigwait(&trap, &number);
    printf("sigwait %d %d\n", waited, number);
    signal(SIGTRAP, SIG_IGN);
    sigprocmask(SIG_UNBLOCK, &trap, NULL);
    spin();
    return 0;
}
