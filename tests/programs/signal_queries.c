/* Hazard: a program sets SIGTRAP's action in every way there is, and asks each time what it had set. The
 * answers must be those of a process in which nobody else uses the signal. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

extern void (*sysv_signal(int number, void (*handler)(int)))(int);

static void on_trap(int number) {}
static void on_trap_too(int number, siginfo_t *info, void *context) {}

static const char *name_of(void (*handler)(int)) {
    if (handler == SIG_DFL) return "default";
    if (handler == SIG_IGN) return "ignore";
    if (handler == SIG_ERR) return "error";
    if (handler == SIG_HOLD) return "hold";
    if (handler == on_trap) return "first";
    return handler == (void (*)(int))(void *)on_trap_too ? "second" : "another";
}

static void show(const char *after) {
    struct sigaction now;
    memset(&now, 0x55, sizeof now);
    int status = sigaction(SIGTRAP, NULL, &now);
    printf("%s: %d %s flags %x mask", after, status, name_of(now.sa_handler), (unsigned)now.sa_flags);
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&now.sa_mask, number) == 1) printf(" %d", number);
    puts("");
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_trap_too, .sa_flags = SA_SIGINFO | SA_NODEFER}, old;
    sigset_t blocked;
    show("at first");
    printf("%s\n", name_of(signal(SIGTRAP, on_trap)));
    show("signal");
    sigfillset(&action.sa_mask);
    printf("%d", sigaction(SIGTRAP, &action, &old));
    printf(" %s %x\n", name_of(old.sa_handler), (unsigned)old.sa_flags);
    show("sigaction");
    printf("%d\n", siginterrupt(SIGTRAP, 1));
    show("siginterrupt");
    printf("%s\n", name_of(signal(SIGTRAP, on_trap)));
    show("signal that interrupts");
    printf("%d\n", siginterrupt(SIGTRAP, 0));
    printf("%s\n", name_of(sysv_signal(SIGTRAP, on_trap)));
    show("sysv_signal");
    printf("%s\n", name_of(sigset(SIGTRAP, SIG_HOLD)));
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    printf("held %d\n", sigismember(&blocked, SIGTRAP));
    printf("%s\n", name_of(sigset(SIGTRAP, on_trap)));
    show("sigset");
    printf("%d\n", sigignore(SIGTRAP));
    show("sigignore");
    printf("%s\n", name_of(signal(SIGTRAP, SIG_ERR)));
    printf("%s\n", name_of(signal(SIGTRAP, SIG_DFL)));
    show("signal to default");
    printf("%d\n", sigaction(NSIG, &action, NULL));
    return 0;
}
