/* emulate.h - makes the emulated tiers slow.
 *
 * A perf event on this process's own CPU time interrupts every thread once a period (SIGTRAP, with the
 * registers). A recipe gives the address that the interrupted instruction waited for; if the page is in an
 * emulated tier, the handler spins as long as the tier's delay ratio times the useful time since it last
 * returned. What stalls is what slows, thread by thread, in proportion.
 *
 * A cap on a tier's bandwidth holds threads up as well, by what they are estimated to have moved (streams.h).
 *
 * Only user mode is sampled: no system call is ever interrupted by it. A thread that blocks SIGTRAP is not
 * delayed meanwhile, nor is one that lives for less than a period. The event has no descriptor (keep.h), goes
 * over to new threads by itself, and is opened anew in a forked child.
 */
#ifndef TP_EMULATE_H
#define TP_EMULATE_H

#include "../common/records.h"
#include "plan.h"

/* NULL, or in words why there is no delay. */
const char *tpi_emulate_start(const struct tpi_plan *plan, const char *recipes_path,
                              struct tp_counters *counters);

/* Nothing of the parent's event comes with a forked child. */
const char *tpi_emulate_again(struct tp_counters *counters);

#endif
