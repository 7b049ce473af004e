/* signal_wants.h - what the program wants done with each claimed signal. */
#ifndef TP_SIGNAL_WANTS_H
#define TP_SIGNAL_WANTS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "signals.h"

#define TPI_MAX_CLAIMANTS 4u
#define TPI_WANTS 64u

/* Actions are written to the next place and then published, because handlers read them at any moment and set
 * them too: no lock could be shared with those. A place is written anew only 64 settings later. */
struct tpi_claim {
    int number;
    bool interrupts; /* siginterrupt(number, 1) was the last word */
    bool alone;      /* no other signal's handler runs between the kernel and ours */
    uint32_t n_claimants;
    tpi_signal_claimant *claimants[TPI_MAX_CLAIMANTS];
    uint32_t taken, current; /* places given out; the one that holds */
    struct sigaction wants[TPI_WANTS];
};

/* The claim for a signal; NULL: nobody has claimed it. */
struct tpi_claim *tpi_claim_of(int number);

/* What the program wants now. */
struct sigaction tpi_claim_wants(const struct tpi_claim *claim);

/* What it wants from now on; returns what it wanted before. */
struct sigaction tpi_claim_set(struct tpi_claim *claim, const struct sigaction *action);

/* As SA_RESETHAND asks: the caller gets the action to carry out, and the next one gets the default. */
struct sigaction tpi_claim_use(struct tpi_claim *claim);

/* Is the signal one of ours? For what the program took from the kernel itself. */
bool tpi_claim_ours(const struct tpi_claim *claim, siginfo_t *info, ucontext_t *context);

/* Takes away what waits of ours for the calling thread while it blocks SIGTRAP. The program's own stays. */
void tpi_claims_drain(void);

/* Ours was delivered: did it end a call that had opened the mask? */
void tpi_claims_woke(const siginfo_t *info, const ucontext_t *context);

/* While a program is started anew, signals that the caller ignores are ignored in the kernel's eyes too. */
void tpi_claims_before_exec(void);
void tpi_claims_after_exec(void);

#endif
