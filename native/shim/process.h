/* process.h - the life of the shim in a process: start, threads, fork, end.
 *
 *   COLD ------> STARTING --> ACTIVE ------> ENDED (destructor has run; hooks go on as before)
 *   (no environ)         \--> PASSIVE (neither a raw folder nor a plan: hooks pass everything on)
 *
 * What is wanted (tp_process_records, tp_place_active) is kept apart from what is: a process may place without
 * recording, and record without placing.
 */
#ifndef TP_PROCESS_H
#define TP_PROCESS_H

#include <stddef.h>

#include "guard.h"

/* Smallest size that is tracked; 0 until started, so that every allocation comes by. Read by each hook. */
extern size_t tp_threshold;

/* Starts the process, or the thread, or a forked child's new life, as needed. False: pass the call on. */
bool tp_process_ready(tp_guard *guard);

/* Is there a file to write to? */
bool tp_process_records(void);

#endif
