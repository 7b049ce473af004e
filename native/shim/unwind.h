/* unwind.h - the call stack of an allocation: return addresses from the program's caller of the hook outward.
 */
#ifndef TP_UNWIND_H
#define TP_UNWIND_H

#include "../common/records.h"
#include "guard.h"
#include "python.h"

struct tp_backtrace {
    uintptr_t frames[TP_MAX_FRAMES]; /* return addresses, innermost first; consecutive repeats are one */
    unsigned n_frames;
    bool truncated;                /* cut short: too deep, or no trustworthy information about a frame */
    struct tp_python_stack python; /* if there is any, the native frames end at the loop that evaluates it */
};

#define TP_TRAIL_WORDS 64u

/* Which words of the thread's own stack an unwinding followed. As long as they are the same, seen from the
 * same hook called from the same place, another unwinding would find the same frames: each step depends on
 * nothing but the return address before it and, where the code goes by its frame pointer, on that. */
struct tp_trail {
    const uintptr_t *hook; /* the hook's frame: the caller's frame pointer, and the return address */
    unsigned n_words;
    uint16_t words[TP_TRAIL_WORDS]; /* counted from `hook` */
    uint16_t second;                /* where the caller's own return address is, always; 0: not known */
    bool whole;                     /* all words are here, and may be read */
};

void tp_unwind_start(void);
void tp_unwind(tp_guard *guard, struct tp_backtrace *backtrace);
void tp_unwind_trail(tp_guard *guard, struct tp_backtrace *backtrace, struct tp_trail *trail);

/* An object was unloaded: what was known about its instructions may be wrong for the next one there. */
void tp_unwind_forget(void);

#endif
