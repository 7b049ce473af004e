/* signal_waits.c - a program that waits for signals, or takes them from a descriptor, is not given ours; nor
 * is its tracer.
 *
 * Where SIGTRAP is blocked, a sample's waits with the program's own; sigwait and its kin would hand it out.
 * What comes through a signalfd, or stops a traced process, cannot be told apart in time, so there whoever
 * claimed the signal gives up.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <time.h>

#include "../common/rawio.h"
#include "signal_next.h"
#include "signal_wants.h"

#define TPI_NAMES(X) X(sigtimedwait) X(sigwaitinfo) X(sigwait) X(signalfd) X(ptrace)
TPI_NEXT_TABLE(TPI_NAMES)

static tpi_signal_yield *tpi_yield;

void tpi_signal_on_exposure(tpi_signal_yield *yield) {
    __atomic_store_n(&tpi_yield, yield, __ATOMIC_RELEASE);
}

static void tpi_give_way(const char *why) {
    tpi_signal_yield *yield = __atomic_load_n(&tpi_yield, __ATOMIC_ACQUIRE);
    if (yield == NULL) return;
    yield(why);
    tpi_claims_drain();
}

static bool tpi_is_ours(siginfo_t *info) {
    struct tpi_claim *claim = tpi_claim_of(info->si_signo);
    return claim != NULL && tpi_claim_ours(claim, info, NULL);
}

static bool tpi_none_claimed(void) {
    return tpi_claim_of(SIGTRAP) == NULL && tpi_claim_of(SIGSEGV) == NULL;
}

/* What is left of a timeout. One that the kernel refuses, or that never ends, is passed on as it is. */
static struct timespec tpi_left(const struct timespec *timeout, uint64_t start_ns) {
    if (timeout->tv_sec < 0 || timeout->tv_sec > INT32_MAX || timeout->tv_nsec < 0 ||
        timeout->tv_nsec >= 1000000000)
        return *timeout;
    uint64_t all_ns = (uint64_t)timeout->tv_sec * 1000000000u + (uint64_t)timeout->tv_nsec;
    uint64_t gone_ns = tp_now_ns() - start_ns, left_ns = all_ns > gone_ns ? all_ns - gone_ns : 0;
    return (struct timespec){(time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u)};
}

/* By this name, because the program may have a sigtimedwait of its own. */
static int tpi_wait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout) {
    siginfo_t found;
    struct timespec left;
    uint64_t start_ns = tp_now_ns();
    int number;
    do {
        if (timeout != NULL) left = tpi_left(timeout, start_ns);
        number = TPI_NEXT(sigtimedwait)(set, &found, timeout != NULL ? &left : NULL);
    } while (number > 0 && tpi_is_ours(&found));
    if (number > 0 && info != NULL) *info = found;
    return number;
}

TPI_EXPORT int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
                            const struct timespec *restrict timeout) {
    if (tpi_none_claimed()) return TPI_NEXT(sigtimedwait)(set, info, timeout);
    return tpi_wait(set, info, timeout);
}

TPI_EXPORT int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info) {
    return tpi_none_claimed() ? TPI_NEXT(sigwaitinfo)(set, info) : tpi_wait(set, info, NULL);
}

TPI_EXPORT int sigwait(const sigset_t *restrict set, int *restrict number) {
    if (tpi_none_claimed()) return TPI_NEXT(sigwait)(set, number);
    int found;
    do
        found = tpi_wait(set, NULL, NULL);
    while (found < 0 && errno == EINTR);
    if (found < 0) return errno;
    *number = found;
    return 0;
}

TPI_EXPORT int signalfd(int fd, const sigset_t *set, int flags) {
    if (sigismember(set, SIGTRAP) == 1) tpi_give_way("the program takes SIGTRAP from a signalfd");
    return TPI_NEXT(signalfd)(fd, set, flags);
}

/* A tracer that attaches from outside is not seen. */
TPI_EXPORT long ptrace(enum __ptrace_request request, ...) {
    va_list words;
    va_start(words, request);
    pid_t pid = va_arg(words, pid_t);
    void *address = va_arg(words, void *), *data = va_arg(words, void *);
    va_end(words);
    if (request == PTRACE_TRACEME) tpi_give_way("a debugger traces this process");
    return TPI_NEXT(ptrace)(request, pid, address, data);
}
