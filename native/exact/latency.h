/* latency.h - how long an operation of VEX takes on the simulated core.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_LATENCY_H
#define TP_LATENCY_H

#include "vex.h"

#define TP_HELPER_CYCLES 20 /* an instruction for which VEX calls a helper: cpuid, x87's state, AES, ... */

unsigned tp_latency(IROp operation);

/* Of a helper without side effects. */
unsigned tp_helper_latency(const IRCallee *helper);

#endif
