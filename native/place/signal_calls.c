/* signal_calls.c - the C library's functions that set and query a signal's action, for claimed signals. */
#include <errno.h>
#include <signal.h>

#include "signal_next.h"
#include "signal_wants.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* of what programs should not call, but do */

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif
#ifndef SA_EXPOSE_TAGBITS
#define SA_EXPOSE_TAGBITS 0x00000800
#endif
/* What the kernel keeps of the flags it is given. */
#define TPI_KEPT_FLAGS                                                                                       \
    (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | (int)SA_RESETHAND |   \
     SA_EXPOSE_TAGBITS)

typedef void (*tpi_handler)(int);

extern tpi_handler bsd_signal(int number, tpi_handler handler); /* glibc has it, its headers do not */

#define TPI_NAMES(X)                                                                                         \
    X(sigaction)                                                                                             \
    X(signal) X(bsd_signal) X(ssignal) X(sysv_signal) X(__sysv_signal) X(sigset) X(sigignore) X(siginterrupt)
TPI_NEXT_TABLE(TPI_NAMES)

/* As a query shows it: glibc adds its restorer, the kernel lets nobody block these two. */
static struct sigaction tpi_set(struct tpi_claim *claim, const struct sigaction *action) {
    struct sigaction asked = *action;
    asked.sa_flags &= TPI_KEPT_FLAGS;
#ifdef __x86_64__
    asked.sa_flags |= SA_RESTORER;
#endif
    sigdelset(&asked.sa_mask, SIGKILL);
    sigdelset(&asked.sa_mask, SIGSTOP);
    return tpi_claim_set(claim, &asked);
}

TPI_EXPORT int sigaction(int number, const struct sigaction *restrict action,
                         struct sigaction *restrict old) {
    struct tpi_claim *claim = tpi_claim_of(number);
    if (claim == NULL) return TPI_NEXT(sigaction)(number, action, old);
    struct sigaction before = action != NULL ? tpi_set(claim, action) : tpi_claim_wants(claim);
    if (old != NULL) *old = before;
    return 0;
}

static tpi_handler tpi_set_handler(struct tpi_claim *claim, tpi_handler handler, int flags, int masked) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    sigemptyset(&action.sa_mask);
    if (masked != 0) sigaddset(&action.sa_mask, masked);
    return tpi_set(claim, &action).sa_handler;
}

static tpi_handler tpi_bsd_signal(struct tpi_claim *claim, tpi_handler handler) {
    return tpi_set_handler(claim, handler, claim->interrupts ? 0 : SA_RESTART, claim->number);
}

static tpi_handler tpi_sysv_signal(struct tpi_claim *claim, tpi_handler handler) {
    return tpi_set_handler(claim, handler, (int)SA_RESETHAND | SA_NODEFER, 0);
}

#define TPI_SIGNAL(name, by)                                                                                 \
    TPI_EXPORT tpi_handler name(int number, tpi_handler handler) {                                           \
        struct tpi_claim *claim = tpi_claim_of(number);                                                      \
        return claim != NULL ? by(claim, handler) : TPI_NEXT(name)(number, handler);                         \
    }
TPI_SIGNAL(signal, tpi_bsd_signal)
TPI_SIGNAL(bsd_signal, tpi_bsd_signal)
TPI_SIGNAL(ssignal, tpi_bsd_signal)
TPI_SIGNAL(sysv_signal, tpi_sysv_signal)
TPI_SIGNAL(__sysv_signal, tpi_sysv_signal)

/* sigset blocks the signal for SIG_HOLD and unblocks it for all else; SIG_HOLD is also what it answers if the
 * signal was blocked. */
static tpi_handler tpi_sigset(struct tpi_claim *claim, tpi_handler handler) {
    sigset_t one, before;
    tpi_handler old =
        handler == SIG_HOLD ? tpi_claim_wants(claim).sa_handler : tpi_set_handler(claim, handler, 0, 0);
    if (old == SIG_ERR) return SIG_ERR;
    sigemptyset(&one);
    sigaddset(&one, claim->number);
    if (sigprocmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &one, &before) != 0) return SIG_ERR;
    return sigismember(&before, claim->number) ? SIG_HOLD : old;
}
TPI_SIGNAL(sigset, tpi_sigset)

TPI_EXPORT int sigignore(int number) {
    struct tpi_claim *claim = tpi_claim_of(number);
    if (claim == NULL) return TPI_NEXT(sigignore)(number);
    tpi_set_handler(claim, SIG_IGN, 0, 0);
    return 0;
}

TPI_EXPORT int siginterrupt(int number, int interrupt) {
    struct tpi_claim *claim = tpi_claim_of(number);
    if (claim == NULL) return TPI_NEXT(siginterrupt)(number, interrupt);
    struct sigaction action = tpi_claim_wants(claim);
    claim->interrupts = interrupt != 0;
    action.sa_flags = interrupt != 0 ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    tpi_set(claim, &action);
    return 0;
}
