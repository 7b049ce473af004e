/* emulate.h - makes the emulated tiers slow.
 *
 * A perf event on this process's own CPU time interrupts every thread once a period (SIGTRAP, with the
 * registers). A recipe gives the address that the interrupted instruction waited for; if the page is in an
 * emulated tier, the handler spins as long as the tier's delay ratio times the useful time since it last
 * returned. What stalls is what slows, thread by thread, in proportion.
 *
 * The event lives as long as its descriptor (100 or above): a program that closes all descriptors ends the
 * delay.
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
