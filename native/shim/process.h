/* process.h - the life of the shim in a process: start, threads, fork, end.
 *
 *   COLD (no environment yet) --> ACTIVE --> ENDED (the destructor has run; hooks go on as before)
 *                             \--> PASSIVE (neither a raw folder nor a plan: hooks pass everything on)
 *
 * What is wanted (tp_process_records, tp_place_active) is kept apart from what is: a process may place
 * without recording, and record without placing.
 */
#ifndef TP_PROCESS_H
#define TP_PROCESS_H

#include <stddef.h>

#include "guard.h"

/* Smallest size that is tracked; 0 until started. */
extern size_t tp_threshold;

/* Smallest size that a hook looks at any closer: the threshold; 0, so that every allocation comes by, until
 * started and once any site's small objects have memory of their own. Read by each hook. */
extern size_t tp_pass_limit;

/* From now on every small allocation is asked for its call path. */
void tp_process_look_at_small(void);

/* Starts the process, or the thread, or a forked child's new life, as needed. False: pass the call on. */
bool tp_process_ready(tp_guard *guard);

/* After dlclose, and tp_python_pause before it: forgets what depends on where objects were, if any has gone.
 */
void tp_process_unloaded(void);

/* Is this a forked child that has not noticed yet? A raw clone calls no handlers. */
bool tp_process_is_orphan(void);

/* Is there a file to write to? */
bool tp_process_records(void);

#endif
