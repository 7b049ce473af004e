/* cost.h - what sampling costs on this machine: a loop of known work with the events off and on, in turn. */
#ifndef TP_LAUNCH_COST_H
#define TP_LAUNCH_COST_H

#include "options.h"

/* Prints {"NAME": nanoseconds a sample, ...} for each event; null for one that cannot be opened. An event
 * named fault is driven by page faults, any other by computing. Returns an exit status. */
int tp_cost_print(const struct tp_options *options);

#endif
