/* Hazard: the program's own handlers for SIGTRAP: once only, nested, with others blocked, on a stack of their
 * own, left by longjmp, and with what the sender told. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "signal_spin.h"

static sigjmp_buf before;
static char own_stack[1 << 16];
static volatile sig_atomic_t depth, deepest, usr_inside, usr_seen, on_own_stack, value, code;

static void on_usr(int number) {
    usr_seen++;
}

static void on_nested(int number) {
    depth++;
    if (depth > deepest) deepest = depth;
    if (depth < 3) raise(SIGTRAP);
    depth--;
}

static void on_masked(int number, siginfo_t *info, void *context) {
    raise(SIGUSR1);
    spin();
    usr_inside = usr_seen;
    on_own_stack = (uintptr_t)&number - (uintptr_t)own_stack < sizeof own_stack;
    value = info->si_value.sival_int;
    code = info->si_code;
}

static void on_jump(int number) {
    siglongjmp(before, 1);
}

static void set(void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(SIGTRAP, &action, NULL);
}

int main(void) {
    struct sigaction masked = {.sa_sigaction = on_masked, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;
    stack_t stack = {.ss_sp = own_stack, .ss_size = sizeof own_stack};
    signal(SIGUSR1, on_usr);
    sigaltstack(&stack, NULL);
    set(on_nested, SA_NODEFER);
    spin();
    raise(SIGTRAP);
    printf("nested %d\n", (int)deepest);
    deepest = 0;
    set(on_nested, (int)SA_RESETHAND | SA_NODEFER);
    depth = 2;
    raise(SIGTRAP);
    sigaction(SIGTRAP, NULL, &now);
    printf("once %d then default %d\n", (int)deepest, now.sa_handler == SIG_DFL);
    sigaddset(&masked.sa_mask, SIGUSR1);
    sigaction(SIGTRAP, &masked, NULL);
    spin();
    sigqueue(getpid(), SIGTRAP, (union sigval){.sival_int = 42});
    spin();
    printf("blocked inside %d after %d own stack %d value %d code %d\n", (int)usr_inside, (int)usr_seen,
           (int)on_own_stack, (int)value, (int)code);
#if defined(__x86_64__)
    __asm__ volatile("int3");
    printf("int3 code %d\n", (int)code);
#endif
    for (volatile int round = 0; round < 100; round++) {
        set(on_jump, 0);
        if (sigsetjmp(before, 1) == 0) raise(SIGTRAP);
        spun += (unsigned long)round;
    }
    puts("jumped 100");
    return 0;
}
