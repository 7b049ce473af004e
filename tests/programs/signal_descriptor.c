/* Hazard: a program takes SIGTRAP from a signalfd. What it reads must be its own. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "signal_spin.h"

int main(void) {
    sigset_t trap;
    struct signalfd_siginfo info = {0};
    spin();
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    int fd = signalfd(-1, &trap, SFD_NONBLOCK);
    sigprocmask(SIG_BLOCK, &trap, NULL);
    spin();
    long got = read(fd, &info, sizeof info);
    printf("nothing %ld %s\n", got, strerror(errno));
    kill(getpid(), SIGTRAP);
    got = read(fd, &info, sizeof info);
    printf("read %d signal %u from %d\n", got == sizeof info, info.ssi_signo,
           (int)info.ssi_pid == (int)getpid());
    return 0;
}
