/* signals.c - the claims, and the handler that stands before the program's own. */
#include "signals.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "perf_siginfo.h"
#include "signal_wants.h"

/* glibc's sigaction under the name that nobody interposes. */
extern int __sigaction(int number, const struct sigaction *action, struct sigaction *old);

static struct tpi_claim tpi_claims[] = {{.number = SIGTRAP, .alone = true}, {.number = SIGSEGV}};

enum { TPI_CLAIMS = sizeof tpi_claims / sizeof *tpi_claims };

static struct tpi_claim *tpi_find(int number) {
    for (unsigned i = 0; i < TPI_CLAIMS; i++)
        if (tpi_claims[i].number == number) return &tpi_claims[i];
    return NULL;
}

struct tpi_claim *tpi_claim_of(int number) {
    struct tpi_claim *claim = tpi_find(number);
    return claim != NULL && __atomic_load_n(&claim->n_claimants, __ATOMIC_ACQUIRE) > 0 ? claim : NULL;
}

static bool tpi_has_handler(const struct sigaction *action) {
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

struct sigaction tpi_claim_wants(const struct tpi_claim *claim) {
    return claim->wants[__atomic_load_n(&claim->current, __ATOMIC_ACQUIRE) % TPI_WANTS];
}

static uint32_t tpi_write_down(struct tpi_claim *claim, const struct sigaction *action) {
    uint32_t place = __atomic_add_fetch(&claim->taken, 1, __ATOMIC_RELAXED);
    claim->wants[place % TPI_WANTS] = *action;
    return place;
}

struct sigaction tpi_claim_use(struct tpi_claim *claim) {
    static const struct sigaction by_default = {.sa_handler = SIG_DFL};
    for (;;) {
        uint32_t current = __atomic_load_n(&claim->current, __ATOMIC_ACQUIRE);
        struct sigaction wanted = claim->wants[current % TPI_WANTS], then = wanted;
        if (!tpi_has_handler(&wanted) || (wanted.sa_flags & (int)SA_RESETHAND) == 0) return wanted;
        then.sa_handler = by_default.sa_handler; /* flags and mask stay, as the kernel leaves them */
        uint32_t place = tpi_write_down(claim, &then);
        if (__atomic_compare_exchange_n(&claim->current, &current, place, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
            return wanted;
    }
}

bool tpi_claim_ours(const struct tpi_claim *claim, siginfo_t *info, ucontext_t *context) {
    uint32_t n = __atomic_load_n(&claim->n_claimants, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < n; i++)
        if (claim->claimants[i](info, context)) return true;
    return false;
}

/* The default action is to die by the signal. It is blocked here and strikes when the handler returns, with
 * the registers and the information that it came with: a process may send itself anything. */
static void tpi_die_of_it(int number, siginfo_t *info) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    __sigaction(number, &action, NULL);
    long pid = syscall(SYS_getpid), tid = syscall(SYS_gettid);
    if (syscall(SYS_rt_tgsigqueueinfo, pid, tid, number, info) != 0) syscall(SYS_tgkill, pid, tid, number);
}

/* The kernel does not let a program ignore what its own instruction has raised. */
static bool tpi_forced(const siginfo_t *info) {
    return info->si_code > 0 && !(info->si_signo == SIGTRAP && info->si_code == TPI_TRAP_PERF);
}

static void tpi_unblock(int number) {
    uint64_t bit = 1ull << (number - 1);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, NULL, sizeof bit);
}

/* The mask with which the kernel would have called the program's handler, had ours not asked for more. */
static void tpi_open_mask(int number, const struct sigaction *wanted, const ucontext_t *context) {
    uint64_t was, more;
    memcpy(&was, &context->uc_sigmask, sizeof was);
    memcpy(&more, &wanted->sa_mask, sizeof more);
    was |= more;
    if ((wanted->sa_flags & SA_NODEFER) == 0) was |= 1ull << (number - 1);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &was, NULL, sizeof was);
}

static void tpi_hand_on(struct tpi_claim *claim, siginfo_t *info, void *context) {
    int number = claim->number;
    struct sigaction wanted = tpi_claim_use(claim);
    if (wanted.sa_handler == SIG_IGN && !tpi_forced(info)) return;
    if (!tpi_has_handler(&wanted)) {
        tpi_die_of_it(number, info);
        return;
    }
    if (claim->alone)
        tpi_open_mask(number, &wanted, context);
    else if ((wanted.sa_flags & SA_NODEFER) != 0 && !sigismember(&wanted.sa_mask, number))
        tpi_unblock(number);
    /* A handler without SA_SIGINFO finds the same in the registers, and some look. */
    wanted.sa_sigaction(number, info, context);
}

static void tpi_dispatch(int number, siginfo_t *info, void *context) {
    int saved_errno = errno;
    struct tpi_claim *claim = tpi_find(number);
    bool ours = tpi_claim_ours(claim, info, context);
    if (ours && context != NULL) tpi_claims_woke(info, context);
    errno = saved_errno;
    if (!ours) tpi_hand_on(claim, info, context);
}

/* What an instruction raises cannot wait. */
static void tpi_block_others(sigset_t *mask) {
    static const int raised[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};
    sigfillset(mask);
    for (unsigned i = 0; i < sizeof raised / sizeof *raised; i++)
        sigdelset(mask, raised[i]);
}

/* The kernel uses the stack that the program's handler wants: so it is exact for the program's own signals.
 * Where the program has no handler, ours need room that is certain to be there. */
static int tpi_install(const struct tpi_claim *claim) {
    struct sigaction wanted = tpi_claim_wants(claim);
    struct sigaction action = {.sa_sigaction = tpi_dispatch, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (tpi_has_handler(&wanted)) {
        action.sa_flags = wanted.sa_flags & (SA_RESTART | SA_ONSTACK);
        action.sa_mask = wanted.sa_mask;
    }
    if (claim->alone) tpi_block_others(&action.sa_mask);
    action.sa_flags |= SA_SIGINFO;
    return __sigaction(claim->number, &action, NULL);
}

/* Another thread may set the action meanwhile: the kernel's goes by the last one. */
static void tpi_install_current(const struct tpi_claim *claim) {
    uint32_t installed;
    do {
        installed = __atomic_load_n(&claim->current, __ATOMIC_ACQUIRE);
        tpi_install(claim);
    } while (installed != __atomic_load_n(&claim->current, __ATOMIC_ACQUIRE));
}

static void tpi_ignore(int number) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    __sigaction(number, &action, NULL);
}

struct sigaction tpi_claim_set(struct tpi_claim *claim, const struct sigaction *action) {
    uint32_t place = tpi_write_down(claim, action);
    uint32_t before = __atomic_exchange_n(&claim->current, place, __ATOMIC_ACQ_REL);
    struct sigaction old = claim->wants[before % TPI_WANTS];
    if (action->sa_handler == SIG_IGN) tpi_ignore(claim->number); /* what is pending is gone by that */
    tpi_install_current(claim);
    return old;
}

static bool tpi_add(struct tpi_claim *claim, tpi_signal_claimant *ours) {
    for (uint32_t i = 0; i < claim->n_claimants; i++)
        if (claim->claimants[i] == ours) return true;
    if (claim->n_claimants == TPI_MAX_CLAIMANTS) return false;
    claim->claimants[claim->n_claimants] = ours;
    __atomic_store_n(&claim->n_claimants, claim->n_claimants + 1, __ATOMIC_RELEASE);
    return true;
}

bool tpi_signal_claim(int number, tpi_signal_claimant *ours) {
    struct tpi_claim *claim = tpi_find(number);
    struct sigaction before;
    if (claim == NULL || __sigaction(number, NULL, &before) != 0) return false;
    if (claim->n_claimants > 0) return tpi_add(claim, ours);
    __atomic_store_n(&claim->current, tpi_write_down(claim, &before), __ATOMIC_RELEASE);
    if (tpi_install(claim) != 0) return false;
    return tpi_add(claim, ours);
}

void tpi_claims_before_exec(void) {
    for (unsigned i = 0; i < TPI_CLAIMS; i++)
        if (tpi_claims[i].n_claimants > 0 && tpi_claim_wants(&tpi_claims[i]).sa_handler == SIG_IGN)
            tpi_ignore(tpi_claims[i].number);
}

void tpi_claims_after_exec(void) {
    for (unsigned i = 0; i < TPI_CLAIMS; i++)
        if (tpi_claims[i].n_claimants > 0) tpi_install_current(&tpi_claims[i]);
}
