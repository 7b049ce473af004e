/* session.h - the simulator of this process and its file, from the start to the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_SESSION_H
#define TP_SESSION_H

#include "../model/exactfile.h"
#include "../model/sim.h"
#include "vex.h"

/* The simulator, or NULL where there is none: before the start, after the end, or without memory. */
struct tpm_sim *tp_session_start(void);

/* In a forked child: goes on with the same simulator, and a file of its own. */
Bool tp_session_fork(struct tpm_sim *sim);

/* Writes all that is left. `sim` is gone. */
void tp_session_end(struct tpm_sim *sim);

#endif
