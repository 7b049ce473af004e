/* main.c - the Valgrind tool `tierprof`: registers with Valgrind, and takes the program's requests.
 *
 * This binary contains Valgrind (GPL-2.0-or-later), and so is under that licence as a whole (LICENSE).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "blocks.h"
#include "engine.h"
#include "instrument.h"
#include "options.h"
#include "ranges.h"
#include "region.h"
#include "requests.h"
#include "syscalls.h"

#include <pub_tool_libcproc.h>
#include <pub_tool_options.h>

static void tpi_after_options(void) {
    tp_options_check();
    tp_engine_start();
}

static void tpi_end(Int status) {
    tp_engine_end();
}

static void tpi_forked(ThreadId thread) {
    tp_engine_forked();
}

static Bool tpi_request(ThreadId thread, UWord *words, UWord *answer) {
    *answer = 0;
    switch (words[0]) {
    case TP_REQUEST_CLAIM:
        tp_engine_claim(words[1], words[2], (UInt)words[3]);
        return True;
    case TP_REQUEST_RELEASE:
        tp_engine_release(words[1], words[2]);
        return True;
    case TP_REQUEST_REGION_BEGIN:
        tp_region_mark(True);
        return True;
    case TP_REQUEST_REGION_END:
        tp_region_mark(False);
        return True;
    default:
        return False;
    }
}

static void tpi_describe(void) {
    VG_(details_name)("tierprof");
    VG_(details_version)(NULL);
    VG_(details_description)("every access of a program, through simulated caches");
    VG_(details_copyright_author)("The tierprof authors. Contains Valgrind, (C) 2000-2022, GNU GPL'd.");
    VG_(details_bug_reports_to)("the tierprof project");
    VG_(details_avg_translation_sizeB)(600);
}

static void tpi_before_options(void) {
    tpi_describe();
    /* Joined blocks run instructions ahead, guarded: counts would not be those of the program. */
    VG_(clo_vex_control).guest_chase = False;
    VG_(basic_tool_funcs)(tpi_after_options, tp_instrument, tpi_end);
    VG_(needs_superblock_discards)(tp_blocks_discard);
    VG_(needs_command_line_options)(tp_options_take, tp_options_usage, tp_options_debug_usage);
    VG_(needs_client_requests)(tpi_request);
    tp_engine_track_threads();
    tp_ranges_track();
    tp_syscalls_track();
    VG_(atfork)(NULL, NULL, tpi_forked);
}

VG_DETERMINE_INTERFACE_VERSION(tpi_before_options)
