/* sites.h - numbers call stacks. A stack seen before costs one lock-free lookup; a new one is named by
 * modules and offsets, gets its key and its tier from the plan, and is written down once. */
#ifndef TP_SITES_H
#define TP_SITES_H

#include "unwind.h"

struct tp_site {
    uint32_t number; /* TP_SITE_NONE: could not be numbered */
    uint8_t tier;
    bool named;         /* by the plan */
    bool told;          /* it has been written down */
    bool allocator : 1; /* one that is linked into the program maps it, for objects of its own */
    bool moves : 1;     /* so that each of its objects needs pages of its own */
    uint16_t pool;      /* of its small objects; 0: it is not on */
    uint16_t parts;     /* of its objects by address range (place.h); 0: they have none */
};

/* `told`: a record will name it. Most call paths of small allocations never come that far, and are not worth
 * a record of their own. */
struct tp_site tp_site_of(tp_guard *guard, const struct tp_backtrace *backtrace, bool told);

/* Gives the site's small objects a pool. False: there are too many, or none of that number. */
bool tp_site_switch_on(tp_guard *guard, uint32_t number);

/* The number of the site with this key; TP_SITE_NONE: it has not allocated yet. */
uint32_t tp_sites_find(tp_guard *guard, uint64_t key_hi, uint64_t key_lo);

/* Further allocations of the site go to the tier. Returns as tp_sites_find. */
uint32_t tp_sites_set_tier(tp_guard *guard, uint64_t key_hi, uint64_t key_lo, unsigned tier);

/* Stacks are looked at anew: after an unloading, or when the plan has been read. Keys keep their numbers. */
void tp_sites_forget(tp_guard *guard);

/* For what is told of sites and modules elsewhere, and across a fork. */
void tp_sites_lock(tp_guard *guard);
void tp_sites_unlock(tp_guard *guard);

void tp_sites_fork_child(void); /* its own file knows no site yet */

#endif
