/* counters.h - counters.PID.SEQ.bin: one struct tp_counters, mapped shared. Threads add to it in batches,
 * because a line that all cores write would cost more than the rest of the slow path. */
#ifndef TP_COUNTERS_H
#define TP_COUNTERS_H

#include "guard.h"

extern struct tp_counters *tp_counters; /* never NULL */

/* Maps the file, or private memory if `path` is NULL or cannot be made. */
void tp_counters_start(const char *path);

/* Adds what the thread has counted. */
void tp_counters_flush(tp_guard *guard);

static inline void tp_count(uint64_t *counter, uint64_t by) {
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

#endif
