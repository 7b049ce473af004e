/* ranges.h - memory that no tracked allocation covers: stacks, data of modules, the heap around allocations,
 * mappings.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_RANGES_H
#define TP_RANGES_H

#include "vex.h"

void tp_ranges_track(void); /* registers for Valgrind's events */

/* The program is about to map memory: at an address of its own choice, or wherever. */
void tp_ranges_asked(Bool fixed);

/* A thread is about to run its first instruction: its stack is known. */
void tp_ranges_thread(ThreadId thread);

#endif
