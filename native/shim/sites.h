/* sites.h - numbers call stacks. A stack seen before costs one lock-free lookup; a new one is named by
 * modules and offsets, gets its key and its tier from the plan, and is written down once. */
#ifndef TP_SITES_H
#define TP_SITES_H

#include "unwind.h"

struct tp_site {
    uint32_t number; /* TP_SITE_NONE: could not be numbered */
    uint8_t tier;
    bool named; /* by the plan */
};

struct tp_site tp_site_of(tp_guard *guard, const struct tp_backtrace *backtrace);

/* Stacks are looked at anew: after an unloading, or when the plan has been read. Keys keep their numbers. */
void tp_sites_forget(tp_guard *guard);

void tp_sites_fork_prepare(tp_guard *guard);
void tp_sites_fork_parent(tp_guard *guard);
void tp_sites_fork_child(void); /* its own file knows no site yet */

#endif
