/* where.h - where the pages of an allocation really are, as the kernel tells it: how many it has in memory,
 * and under a plan on which nodes, in a file, or in huge pages. Asked when it ends, and of what lives at the
 * process's end.
 *
 * What an answer costs is bounded: TP_WHERE_PAGES pages of a large allocation are looked at, in places that
 * follow no pattern, since interleaved pages do.
 */
#ifndef TP_WHERE_H
#define TP_WHERE_H

#include "guard.h"

/* Smaller allocations are not asked for when they end: the question costs some hundred nanoseconds. Under a
 * plan one of them is, for every TP_WHERE_SMALL_BYTES of them. */
#define TP_RESIDENT_LEAST_BYTES ((size_t)1 << 20)
#define TP_WHERE_SMALL_BYTES ((int64_t)16 << 20)
#define TP_WHERE_SMALL_AT_EXIT 16384u
#define TP_WHERE_PAGES 1024u

/* What ends, or is asked about. */
struct tp_where_range {
    uintptr_t address;
    size_t size;
    uint32_t site;
    uint64_t time_ns;
};

/* Resident pages of an allocation that is about to end, plus 1; 0: not known. Under a plan, where they are
 * goes into the trace. Call it while the memory is still the program's. */
uint32_t tp_where_at_end(tp_guard *guard, const struct tp_where_range *range);

/* The same, of one that is alive when the process ends: the first TP_WHERE_SMALL_AT_EXIT small ones are asked
 * for, too. */
uint32_t tp_where_at_exit(tp_guard *guard, const struct tp_where_range *range);

/* At the process's end, of the slabs of small objects. */
void tp_where_slabs_at_exit(tp_guard *guard);

#endif
