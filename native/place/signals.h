/* signals.h - shares signals with the program, which need not know.
 *
 * Emulation needs SIGTRAP; moving needs SIGTRAP and SIGSEGV. Whoever claims a signal is asked about each one
 * that comes; what no claimant takes goes on to the program as if nobody had claimed it: to its handler (with
 * its mask, SA_RESETHAND, SA_NODEFER, SA_ONSTACK), to nowhere if it ignores the signal, or it dies of it,
 * with the same status. What the program asks for (sigaction, signal and their kin) is remembered and told
 * back for claimed signals only; for all others the C library is asked, unchanged. What an exec inherits (an
 * ignored signal stays ignored), what waits for signals (sigwait and its kin), asks for pending ones or opens
 * its mask to them (sigsuspend, ppoll and their kin) is taken care of too.
 *
 * Not seen: a program that sets a claimed signal's handler by raw system calls, as Go's runtime does; and one
 * that sends SIGTRAP to a thread, not by raise, which blocks it and has a sample waiting: the kernel keeps
 * one.
 */
#ifndef TP_SIGNALS_H
#define TP_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>

/* True: it was ours. Runs in signal context with the signal blocked; errno is kept for it. `context` is NULL
 * where the program took the signal by sigwait: then it only tells whose it is. */
typedef bool tpi_signal_claimant(siginfo_t *info, ucontext_t *context);

/* From now on `ours` is asked about each signal of this number (SIGTRAP, SIGSEGV). Several may claim one; to
 * claim again changes nothing. False: the kernel refused, or there is no room. */
bool tpi_signal_claim(int number, tpi_signal_claimant *ours);

/* Called when a program is about to take SIGTRAP through a signalfd, or to be traced: it would be handed
 * ours, and its tracer would be stopped by each. `why` says which. */
typedef void tpi_signal_yield(const char *why);
void tpi_signal_on_exposure(tpi_signal_yield *yield);

#endif
