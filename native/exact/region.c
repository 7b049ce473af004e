/* region.c - a frame for each thread that is inside.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "region.h"

#include "engine.h"
#include "options.h"

#include <pub_tool_debuginfo.h>
#include <pub_tool_threadstate.h>

#define TPI_OUTSIDE (~0ull)

ULong tp_region_frame = TPI_OUTSIDE;

static ULong *tpi_frames; /* by Valgrind's thread number: where the return address is, or TPI_OUTSIDE */
static UInt tpi_n_inside;

static Bool tpi_marked(void) {
    return tp_options.region != NULL && VG_STREQ(tp_options.region, TP_REGION_MARKS);
}

Bool tp_region_by_function(void) {
    return tp_options.region != NULL && !tpi_marked();
}

/* C++ names come with their parameters: the user may leave them out. */
static Bool tpi_is_region(const HChar *name) {
    SizeT length = VG_(strlen)(tp_options.region);
    return VG_(strncmp)(name, tp_options.region, length) == 0 &&
           (name[length] == '\0' || name[length] == '(');
}

Bool tp_region_starts_at(Addr pc) {
    const HChar *name = NULL;
    return VG_(get_fnname_if_entry)(VG_(current_DiEpoch)(), pc, &name) && tpi_is_region(name);
}

void tp_region_begin_thread(ThreadId thread) {
    if (tpi_frames == NULL) {
        tpi_frames = VG_(malloc)("tierprof.frames", VG_N_THREADS * sizeof *tpi_frames);
        for (UInt i = 0; i < VG_N_THREADS; i++)
            tpi_frames[i] = TPI_OUTSIDE;
    }
    if (tpi_frames[thread] != TPI_OUTSIDE) tpi_n_inside--; /* the last one of that number ended inside */
    tpi_frames[thread] = TPI_OUTSIDE;
}

void tp_region_switch(ThreadId thread) {
    tp_region_frame = tpi_frames != NULL ? tpi_frames[thread] : TPI_OUTSIDE;
}

void tp_region_entered(VexGuestAMD64State *guest, ULong position) {
    ULong frame = guest->guest_RSP;
    if (tp_region_frame != TPI_OUTSIDE) {
        if (frame > tp_region_frame)
            tpi_frames[VG_(get_running_tid)()] = tp_region_frame = frame; /* a jump left it */
        return;
    }
    tpi_frames[VG_(get_running_tid)()] = tp_region_frame = frame;
    if (tpi_n_inside++ > 0) return;
    tp_engine_drain_at(guest, position);
    tp_engine_enter();
}

void tp_region_left(VexGuestAMD64State *guest, ULong position) {
    tpi_frames[VG_(get_running_tid)()] = tp_region_frame = TPI_OUTSIDE;
    if (--tpi_n_inside > 0) return;
    tp_engine_drain_at(guest, position);
    tp_engine_leave();
}

void tp_region_mark(Bool begins) {
    if (!tpi_marked()) return;
    if (begins && tpi_n_inside++ == 0) tp_engine_enter();
    if (!begins && tpi_n_inside > 0 && --tpi_n_inside == 0) tp_engine_leave();
}
