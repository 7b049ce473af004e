/* signal_pending.c - a program that has SIGTRAP blocked does not meet the sample that waits with it: not when
 * it asks what is pending, and not when a call opens its mask to wait for a signal, which ours would end.
 * Nor does the sample stand in the way of what it raises: the kernel keeps one.
 *
 * A sample may strike between the look at what waits and the call, which it then ends at once: the call is
 * made again. Had another signal come with it, that one waits for the second call, as no handler but ours ran
 * in the first; or its handler has run, if the program did not block it outside of the call, which then is
 * the program's own race.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "../common/rawio.h"
#include "perf_siginfo.h"
#include "registers.h"
#include "signal_next.h"
#include "signal_wants.h"

#define TPI_NAMES(X) X(raise) X(sigpending) X(sigsuspend) X(ppoll) X(pselect) X(epoll_pwait) X(epoll_pwait2)
TPI_NEXT_TABLE(TPI_NAMES)

static __thread bool tpi_woken; /* since the last look at what waits */

/* Back to where it came from: what was sent to one thread says so. */
static void tpi_put_back(siginfo_t *info) {
    long pid = syscall(SYS_getpid);
    if (info->si_code == SI_TKILL || info->si_code > 0)
        syscall(SYS_rt_tgsigqueueinfo, pid, syscall(SYS_gettid), info->si_signo, info);
    else
        syscall(SYS_rt_sigqueueinfo, pid, info->si_signo, info);
}

void tpi_claims_drain(void) {
    struct tpi_claim *claim = tpi_claim_of(SIGTRAP);
    uint64_t bit = 1ull << (SIGTRAP - 1);
    const struct timespec at_once = {0, 0};
    int saved_errno = errno;
    siginfo_t info;
    while (claim != NULL && syscall(SYS_rt_sigtimedwait, &bit, &info, &at_once, sizeof bit) == SIGTRAP) {
        if (tpi_claim_ours(claim, &info, NULL)) continue;
        tpi_put_back(&info);
        break;
    }
    errno = saved_errno;
}

/* A sample that did not wait has not ended anything: it strikes in user mode. */
void tpi_claims_woke(const siginfo_t *info, const ucontext_t *context) {
    if (tpi_perf_waited(info) && tpi_context_result(context) == -EINTR) tpi_woken = true;
}

/* A call with this mask: would it let ours through? */
static void tpi_before(const sigset_t *mask) {
    tpi_woken = false;
    if (mask != NULL && tpi_claim_of(SIGTRAP) != NULL && sigismember(mask, SIGTRAP) == 0) tpi_claims_drain();
}

/* Nothing but a sample has ended the call. */
static bool tpi_for_nothing(int result) {
    return result < 0 && errno == EINTR && tpi_woken;
}

/* The result of a call that may let ours through. */
#define TPI_OPENED(mask, call)                                                                               \
    ({                                                                                                       \
        int tpi_result;                                                                                      \
        do {                                                                                                 \
            tpi_before(mask);                                                                                \
            tpi_result = (call);                                                                             \
        } while (tpi_for_nothing(tpi_result));                                                               \
        tpi_result;                                                                                          \
    })

TPI_EXPORT int raise(int number) {
    if (number == SIGTRAP) tpi_claims_drain();
    return TPI_NEXT(raise)(number);
}

TPI_EXPORT int sigpending(sigset_t *pending) {
    tpi_claims_drain();
    return TPI_NEXT(sigpending)(pending);
}

TPI_EXPORT int sigsuspend(const sigset_t *mask) {
    return TPI_OPENED(mask, TPI_NEXT(sigsuspend)(mask));
}

TPI_EXPORT int ppoll(struct pollfd *all, nfds_t n, const struct timespec *timeout, const sigset_t *mask) {
    return TPI_OPENED(mask, TPI_NEXT(ppoll)(all, n, timeout, mask));
}

TPI_EXPORT int pselect(int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict odd,
                       const struct timespec *restrict timeout, const sigset_t *restrict mask) {
    return TPI_OPENED(mask, TPI_NEXT(pselect)(n, in, out, odd, timeout, mask));
}

TPI_EXPORT int epoll_pwait(int fd, struct epoll_event *events, int n, int timeout_ms, const sigset_t *mask) {
    return TPI_OPENED(mask, TPI_NEXT(epoll_pwait)(fd, events, n, timeout_ms, mask));
}

TPI_EXPORT int epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *timeout,
                            const sigset_t *mask) {
    return TPI_OPENED(mask, TPI_NEXT(epoll_pwait2)(fd, events, n, timeout, mask));
}
