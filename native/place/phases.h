/* phases.h - the moves that the plan asks for: at a time, or at the n-th allocation of a site.
 *
 * Those at a time are carried out in the handler of a timer's SIGTRAP, a few chunks at a time, until nothing
 * is left; those at an allocation by the thread that allocates, before it gets its memory. Allocations are
 * counted that are tracked one by one. A forked child has timers of its own and goes on counting.
 */
#ifndef TP_PHASES_H
#define TP_PHASES_H

#include "../shim/sites.h"
#include "plan.h"

/* `cookie` is the value of the timer's signal, whose handler calls tp_phases_tick. */
void tp_phases_start(const struct tpi_plan *plan, uint64_t cookie);
void tp_phases_fork_child(void);

void tp_phases_tick(tp_guard *guard);

extern bool tp_phases_count; /* a move waits for an allocation */
void tpi_phases_allocated(tp_guard *guard, uint32_t site);

/* After an allocation of the site has its owner and its record. */
static inline void tp_phases_allocated(tp_guard *guard, uint32_t site) {
    if (__builtin_expect(tp_phases_count, 0)) tpi_phases_allocated(guard, site);
}

#endif
