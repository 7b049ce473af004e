/* stream.h - writes alloc.PID.SEQ.bin: each thread fills a chunk of its own, mapped shared, without locks. */
#ifndef TP_STREAM_H
#define TP_STREAM_H

#include "guard.h"

/* Makes the file. False: it cannot be made. */
bool tp_stream_start(tp_guard *guard);

/* Appends a record, whose tid is filled in. Without room (disk full, limit) it is counted as dropped, and
 * after that nothing is recorded any more. */
void tp_stream_write(tp_guard *guard, const struct tp_record *record);

/* The thread ends: another may go on with its chunk. */
void tp_stream_release(tp_guard *guard);

void tp_stream_fork_prepare(tp_guard *guard);
void tp_stream_fork_parent(tp_guard *guard);
void tp_stream_fork_child(tp_guard *guard); /* leaves the parent's chunks alone */

#endif
