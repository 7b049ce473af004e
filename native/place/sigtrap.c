/* sigtrap.c - see sigtrap.h. */
#include "sigtrap.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TPI_EXPORT __attribute__((visibility("default")))
#define TPI_TRAP_PERF 6  /* si_code; not in glibc's headers yet */
#define TPI_FLAG_ASYNC 1 /* TRAP_PERF_FLAG_ASYNC */

/* The kernel's siginfo for TRAP_PERF on 64-bit machines; glibc's has no names for it. */
struct tpi_perf_siginfo {
    int signo, error, code, pad;
    uint64_t address, data;
    uint32_t type, flags;
};

/* glibc's sigaction under the name that nobody interposes, and the other name of signal. */
extern int __sigaction(int number, const struct sigaction *action, struct sigaction *old);
extern void (*bsd_signal(int number, void (*handler)(int)))(int);

static tpi_trap_handler *tpi_handler; /* NULL: SIGTRAP is the program's own */
static uint64_t tpi_cookie;

/* What the program wants for SIGTRAP: written to the other place and then switched, because the handler reads
 * it. */
static struct sigaction tpi_wanted[2];
static unsigned tpi_current;

static void tpi_want(const struct sigaction *action) {
    unsigned other = 1 - __atomic_load_n(&tpi_current, __ATOMIC_RELAXED);
    tpi_wanted[other] = *action;
    __atomic_store_n(&tpi_current, other, __ATOMIC_RELEASE);
}

static const struct sigaction *tpi_wants(void) {
    return &tpi_wanted[__atomic_load_n(&tpi_current, __ATOMIC_ACQUIRE)];
}

/* The default action is to die by the signal; it is blocked here and strikes when the handler returns. */
static void tpi_die_of_it(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    __sigaction(SIGTRAP, &action, NULL);
    syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), SIGTRAP);
}

static void tpi_hand_on(int number, siginfo_t *info, void *context) {
    struct sigaction wanted = *tpi_wants();
    if (wanted.sa_flags & SA_SIGINFO)
        wanted.sa_sigaction(number, info, context);
    else if (wanted.sa_handler == SIG_DFL)
        tpi_die_of_it();
    else if (wanted.sa_handler != SIG_IGN)
        wanted.sa_handler(number);
}

static void tpi_trap(int number, siginfo_t *info, void *context) {
    struct tpi_perf_siginfo perf;
    memcpy(&perf, info, sizeof perf);
    if (info->si_code == TPI_TRAP_PERF && perf.data == tpi_cookie)
        tpi_handler((perf.flags & TPI_FLAG_ASYNC) != 0, context);
    else
        tpi_hand_on(number, info, context);
}

bool tpi_sigtrap_install(uint64_t cookie, tpi_trap_handler *handler) {
    struct sigaction before,
        action = {.sa_sigaction = tpi_trap, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    tpi_cookie = cookie;
    if (__sigaction(SIGTRAP, NULL, &before) != 0) return false;
    tpi_want(&before);
    tpi_handler = handler;
    if (__sigaction(SIGTRAP, &action, NULL) == 0) return true;
    tpi_handler = NULL;
    return false;
}

TPI_EXPORT int sigaction(int number, const struct sigaction *restrict action,
                         struct sigaction *restrict old) {
    if (number != SIGTRAP || tpi_handler == NULL) return __sigaction(number, action, old);
    struct sigaction before = *tpi_wants();
    if (action != NULL) tpi_want(action);
    if (old != NULL) *old = before;
    return 0;
}

TPI_EXPORT void (*signal(int number, void (*handler)(int)))(int) {
    if (number != SIGTRAP || tpi_handler == NULL) return bsd_signal(number, handler);
    struct sigaction before = *tpi_wants(), action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    tpi_want(&action);
    return before.sa_handler;
}
