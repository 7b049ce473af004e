/* control.h - this process's side of ../common/control.h: the file, and the handler of the signals that ask
 * for moves. */
#ifndef TP_PLACE_CONTROL_H
#define TP_PLACE_CONTROL_H

#include "../shim/guard.h"

/* With a plan in force: makes the file if the process records, claims SIGTRAP, starts the plan's own moves.
 */
void tp_control_start(tp_guard *guard);

/* A forked child has a file of its own. */
void tp_control_fork_child(tp_guard *guard);

#endif
