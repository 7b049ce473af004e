/* ranges.c - claims pseudo objects as the program's memory comes, and gives back what goes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ranges.h"

#include "engine.h"

#include <pub_tool_aspacemgr.h>
#include <pub_tool_libcproc.h>
#include <pub_tool_machine.h>
#include <pub_tool_vki.h>

/* glibc's heaps of threads other than the first: mapped without access in one piece, aligned to their size,
 * and opened from the start on. */
#define TPI_ARENA_BYTES (64ul << 20)

/* A module's zeroed data lies right behind its file's, where the loader wants it. */
static Bool tpi_fixed = True; /* as it is for the program itself */

void tp_ranges_asked(Bool fixed) {
    tpi_fixed = fixed;
}

static Bool tpi_follows_file(Addr address) {
    const NSegment *before = VG_(am_find_nsegment)(address - 1);
    return tpi_fixed && before != NULL && before->kind == SkFileC && before->hasW;
}

static UInt tpi_owner(Addr address) {
    const NSegment *segment = VG_(am_find_nsegment)(address);
    if (segment == NULL) return TPM_OBJECT_UNKNOWN;
    if (segment->kind == SkFileC) return TPM_OBJECT_STATIC;
    if (segment->kind != SkAnonC) return TPM_OBJECT_MAPPED;
    if (segment->isCH) return TPM_OBJECT_SMALL;
    return tpi_follows_file(address) ? TPM_OBJECT_STATIC : TPM_OBJECT_MAPPED;
}

static void tpi_mapped(Addr address, SizeT bytes, Bool reads, Bool writes, Bool runs, ULong debug_info) {
    tp_engine_claim(address, bytes, tpi_owner(address));
}

static void tpi_protected(Addr address, SizeT bytes, Bool reads, Bool writes, Bool runs) {
    const NSegment *segment = VG_(am_find_nsegment)(address);
    Bool heap = writes && address % TPI_ARENA_BYTES == 0 && segment != NULL && segment->kind == SkAnonC;
    if (heap) tp_engine_claim(address, TPI_ARENA_BYTES, TPM_OBJECT_SMALL);
}

static void tpi_grown(Addr address, SizeT bytes, ThreadId thread) {
    tp_engine_claim(address, bytes, TPM_OBJECT_SMALL);
}

static void tpi_gone(Addr address, SizeT bytes) {
    tp_engine_release(address, bytes);
}

/* The main thread's stack grows down into room that is kept for it; others have all of theirs from the start
 * on. */
static void tpi_main_stack(ThreadId thread) {
    struct vki_rlimit limit;
    Addr top = VG_(thread_get_stack_max)(thread) + 1;
    SizeT bytes = VG_(thread_get_stack_size)(thread);
    if (VG_(getrlimit)(VKI_RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != VKI_RLIM_INFINITY &&
        limit.rlim_cur > bytes)
        bytes = limit.rlim_cur;
    tp_engine_claim(top - bytes, bytes, TPM_OBJECT_STACK);
}

void tp_ranges_thread(ThreadId thread) {
    const NSegment *segment = VG_(am_find_nsegment)(VG_(get_SP)(thread));
    if (thread == 1)
        tpi_main_stack(thread);
    else if (segment != NULL && segment->kind == SkAnonC)
        tp_engine_claim(segment->start, segment->end + 1 - segment->start, TPM_OBJECT_STACK);
}

void tp_ranges_track(void) {
    VG_(track_new_mem_startup)(tpi_mapped);
    VG_(track_new_mem_mmap)(tpi_mapped);
    VG_(track_new_mem_brk)(tpi_grown);
    VG_(track_change_mem_mprotect)(tpi_protected);
    VG_(track_die_mem_munmap)(tpi_gone);
    VG_(track_die_mem_brk)(tpi_gone);
}
