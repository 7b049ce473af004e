/* unwind.h - the call stack of an allocation: return addresses from the program's caller of the hook outward.
 */
#ifndef TP_UNWIND_H
#define TP_UNWIND_H

#include "../common/records.h"
#include "guard.h"

struct tp_backtrace {
    uintptr_t frames[TP_MAX_FRAMES]; /* return addresses, innermost first; consecutive repeats are one */
    unsigned n_frames;
    bool truncated; /* cut short: too deep, or no trustworthy information about a frame */
};

void tp_unwind_start(void);
void tp_unwind(tp_guard *guard, struct tp_backtrace *backtrace);

/* An object was unloaded: what was known about its instructions may be wrong for the next one there. */
void tp_unwind_forget(void);

#endif
