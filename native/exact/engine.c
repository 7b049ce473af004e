/* engine.c - the buffer, the threads' turns, and what the simulator is told between them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "engine.h"

#include "instrument.h"
#include "options.h"
#include "ranges.h"
#include "region.h"
#include "schedule.h"
#include "session.h"

#include <pub_tool_machine.h>
#include <pub_tool_threadstate.h>

/* More than any translation has: VEX stops at 60 instructions, and unrolls a loop at most eight times. */
enum { TPI_INSTRUCTIONS_MAX = 512 };

#define TPI_NO_THREAD (~0u)

_Alignas(64) uint64_t tp_engine_words[TP_WORDS];

static struct tpm_sim *tpi_sim;
static ULong tpi_position; /* address of the next record, while no client code runs */
static ThreadId tpi_running;
static UInt *tpi_numbers; /* by Valgrind's thread number, which it uses again: ours */
static UInt tpi_n_threads;

static void tpi_empty(void) {
    tpi_position = (ULong)(Addr)tp_engine_words;
}

/* ---- feeding ---- */

/* How many of the words are of the next `room` instructions; the record in which they end is taken whole. */
static SizeT tpi_split(const uint64_t *words, SizeT count, ULong room) {
    SizeT taken = 0;
    if (room / TPI_INSTRUCTIONS_MAX >= count) return count;
    for (ULong instructions = 0; taken < count && instructions < room;) {
        const struct tpm_exit *exit = (const struct tpm_exit *)(Addr)words[taken];
        instructions += exit->n_instructions;
        taken += 1 + exit->n_accesses;
    }
    return taken;
}

static UInt tpi_number(ThreadId thread) {
    if (tpi_numbers[thread] == TPI_NO_THREAD) tpi_numbers[thread] = tpi_n_threads++;
    return tpi_numbers[thread];
}

static void tpi_feed(const uint64_t *words, SizeT count) {
    UInt number = tpi_number(tpi_running);
    while (count > 0) {
        ULong now = tpm_sim_instructions(tpi_sim);
        struct tp_phase phase = tp_schedule_at(now);
        tpm_sim_mode(tpi_sim, phase.mode, phase.weight);
        SizeT taken = tpi_split(words, count, phase.until - now);
        tpm_sim_feed(tpi_sim, number, words, taken);
        words += taken;
        count -= taken;
    }
}

void tp_engine_drain(void) {
    SizeT count = (tpi_position - (Addr)tp_engine_words) / sizeof *tp_engine_words;
    if (count > 0 && tpi_sim != NULL && tp_options.feed) tpi_feed(tp_engine_words, count);
    tpi_empty();
}

void tp_engine_drain_at(VexGuestAMD64State *guest, ULong position) {
    tpi_position = position;
    tp_engine_drain();
    *(ULong *)((Addr)guest + (Addr)TP_POSITION_OFFSET) = tpi_position;
}

/* ---- threads ---- */

static void tpi_start_code(ThreadId thread, ULong blocks) {
    if (thread != tpi_running) {
        tp_engine_drain();
        tpi_running = thread;
        tp_region_switch(thread);
    }
    VG_(set_shadow_regs_area)(thread, 1, 0, sizeof tpi_position, (const UChar *)&tpi_position);
}

static void tpi_stop_code(ThreadId thread, ULong blocks) {
    VG_(get_shadow_regs_area)(thread, (UChar *)&tpi_position, 1, 0, sizeof tpi_position);
}

static void tpi_thread_begins(ThreadId thread) {
    tpi_numbers[thread] = TPI_NO_THREAD;
    tp_region_begin_thread(thread);
    tp_ranges_thread(thread);
}

void tp_engine_track_threads(void) {
    VG_(track_start_client_code)(tpi_start_code);
    VG_(track_stop_client_code)(tpi_stop_code);
    VG_(track_pre_thread_first_insn)(tpi_thread_begins);
}

/* ---- what the simulator is told ---- */

void tp_engine_forget(const struct tpm_block *block) {
    if (tpi_sim != NULL) tpm_sim_forget(tpi_sim, block);
}

void tp_engine_claim(Addr address, SizeT bytes, UInt object) {
    tp_engine_drain();
    if (tpi_sim != NULL && bytes > 0) tpm_sim_claim(tpi_sim, address, bytes, object);
}

void tp_engine_release(Addr address, SizeT bytes) {
    tp_engine_drain();
    if (tpi_sim != NULL && bytes > 0) tpm_sim_release(tpi_sim, address, bytes);
}

void tp_engine_note(enum tpx_note_code code, ULong value, const HChar *text) {
    if (tpi_sim != NULL) tpm_sim_note(tpi_sim, (uint32_t)code, value, text);
}

static ULong tpi_now(void) {
    return tpi_sim != NULL ? tpm_sim_instructions(tpi_sim) : 0;
}

void tp_engine_enter(void) {
    tp_engine_drain();
    tp_schedule_enter(tpi_now());
}

void tp_engine_leave(void) {
    tp_engine_drain();
    tp_schedule_leave(tpi_now());
}

/* ---- from start to end ---- */

void tp_engine_start(void) {
    tpi_empty();
    tpi_numbers = VG_(malloc)("tierprof.threads", VG_N_THREADS * sizeof *tpi_numbers);
    for (UInt i = 0; i < VG_N_THREADS; i++)
        tpi_numbers[i] = TPI_NO_THREAD;
    tp_schedule_start();
    tpi_sim = tp_session_start();
}

static void tpi_closing_notes(void) {
    ULong generated = tp_instrument_generated();
    if (generated > 0) tp_engine_note(TPX_NOTE_ANON_CODE, generated, NULL);
    if (tp_options.region == NULL) return;
    if (!tp_schedule_entered())
        tp_engine_note(TPX_NOTE_REGION, 0, "the region was never entered");
    else if (tp_schedule_inside())
        tp_engine_note(TPX_NOTE_REGION, 1, "the region was not left before the end");
}

void tp_engine_end(void) {
    if (tpi_sim == NULL) return;
    tp_engine_drain();
    tpi_closing_notes();
    tp_session_end(tpi_sim);
    tpi_sim = NULL;
}

void tp_engine_replaced(void) {
    tp_engine_end();
}

void tp_engine_forked(void) {
    tpi_empty(); /* the parent feeds what was in it */
    tp_schedule_forked(tpi_now());
    tp_instrument_forget_generated();
    for (UInt i = 0; i < VG_N_THREADS; i++)
        tpi_numbers[i] = TPI_NO_THREAD;
    tpi_n_threads = 0;
    if (tpi_sim != NULL && !tp_session_fork(tpi_sim)) tpi_sim = NULL;
}
