/* sample.h - what is done where a sample of the emulation strikes. */
#ifndef TP_SAMPLE_H
#define TP_SAMPLE_H

#include <stdbool.h>
#include <ucontext.h>

#include "../common/records.h"
#include "recipes.h"

/* Set before the first sample and read by all of them. */
struct tpi_emulation {
    struct tpi_recipes recipes;
    uint64_t period_ns;
    double delay_ratio[TP_MAX_TIERS]; /* by tier; 0: no delay */
    double line_ns[TP_MAX_TIERS];     /* by tier: what a line takes that is read at random, without delay */
    bool capped;                      /* is there any cap on bandwidth? */
    struct tp_counters *counters;
};

extern struct tpi_emulation tpi_emulation;

/* From here on the calling thread's time is the program's. */
void tpi_sample_begin(void);

/* `late`: the signal was blocked when the event struck, so where the thread is now says nothing. That is so
 * after each delay that was longer than a period. */
void tpi_sample_take(bool late, const ucontext_t *context);

#endif
