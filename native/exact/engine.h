/* engine.h - the run: what the instrumented code writes down is handed to the simulator, in order, thread by
 * thread.
 *
 * Instrumented code writes words (native/model/block.h) into one buffer. Where the next record goes is kept
 * in the running thread's guest state, in the first word of the shadow registers, which no tool but
 * Memcheck's kind uses: one load finds it. Threads take turns, so the buffer is always the running one's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_ENGINE_H
#define TP_ENGINE_H

#include "../model/exactfile.h"
#include "../model/sim.h"
#include "vex.h"

/* 32 KiB: it stays in the near caches beside the simulator's own hot data, and is large enough that draining
 * costs nothing. */
#define TP_WORDS 4096u

extern uint64_t tp_engine_words[TP_WORDS];

/* The shadow word, for code: from the guest state's start. */
#define TP_POSITION_OFFSET ((Int)sizeof(VexGuestAMD64State))

void tp_engine_start(void);
void tp_engine_end(void);

/* When this returns the simulator has had everything that ran. Outside of client code only. */
void tp_engine_drain(void);

/* The same from client code, which hands over its guest state and position; the buffer is empty after it. */
void tp_engine_drain_at(VexGuestAMD64State *guest, ULong position);

void tp_engine_forget(const struct tpm_block *block);
void tp_engine_claim(Addr address, SizeT bytes, UInt object);
void tp_engine_release(Addr address, SizeT bytes);

/* The measured part begins or ends here. */
void tp_engine_enter(void);
void tp_engine_leave(void);

/* A line for the file. */
void tp_engine_note(enum tpx_note_code code, ULong value, const HChar *text);

void tp_engine_track_threads(void); /* registers for Valgrind's events */

/* The process is about to become another program; or has been forked, and this is the child. */
void tp_engine_replaced(void);
void tp_engine_forked(void);

#endif
