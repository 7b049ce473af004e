/* region.h - a function as the region: it begins at the function's entry, and ends when the return that takes
 * its frame off the stack has run. What it calls is inside; calls of itself change nothing; several threads
 * may be inside.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_REGION_H
#define TP_REGION_H

#include "vex.h"

/* Name of the region that the program marks itself (tierprof_region.h). */
#define TP_REGION_MARKS "marks"

/* Whether a function is the region at all; whether it starts at `pc`. */
Bool tp_region_by_function(void);
Bool tp_region_starts_at(Addr pc);

/* Threads: they begin, and take turns. */
void tp_region_begin_thread(ThreadId thread);
void tp_region_switch(ThreadId thread);

/* A return with a stack pointer above this leaves the region. ~0 while the running thread is outside. */
extern ULong tp_region_frame;

/* Called by instrumented code: at the function's entry, and after such a return. */
void tp_region_entered(VexGuestAMD64State *guest, ULong position);
void tp_region_left(VexGuestAMD64State *guest, ULong position);

/* Client requests: the marks. */
void tp_region_mark(Bool begins);

#endif
