/* job.c - see job.h. */
#include "job.h"

#include <sys/mman.h>

#include "../shim/pagemap.h"
#include "pages.h"
#include "threads.h"
#include "vmas.h"

size_t tpi_piece_bytes(const struct tp_movable *piece, uintptr_t start, size_t size) {
    uintptr_t end = start + size, last = piece->start + piece->size;
    if (end > last) end = last;
    return end > start ? end - start : 0;
}

uintptr_t tpi_run_end(const struct tp_movable *piece, uintptr_t start, unsigned tier) {
    uintptr_t end = tpi_piece_end(piece);
    while (start < end && tp_pagemap_tier(start) == tier)
        start += TPI_PAGE_BYTES;
    return start;
}

size_t tpi_unmoved_bytes(const struct tp_movable *piece, const struct tpi_tier *to) {
    uintptr_t end = tpi_piece_end(piece);
    size_t bytes = 0;
    for (uintptr_t at = piece->start, next; at < end; at = next) {
        unsigned tier = tp_pagemap_tier(at);
        next = tpi_run_end(piece, at, tier);
        if (tier != to->index) bytes += tpi_piece_bytes(piece, at, next - at);
    }
    return bytes;
}

/* Does a page of the piece have to be copied? */
static bool tpi_needs_copy(const struct tp_movable *piece, const struct tpi_tier *to) {
    uintptr_t end = tpi_piece_end(piece);
    for (uintptr_t at = piece->start; at < end;) {
        unsigned tier = tp_pagemap_tier(at);
        const struct tpi_tier *from = tpi_tier_at(tier);
        if (tier != to->index && !tpi_tier_retargets(from, to)) return true;
        at = tpi_run_end(piece, at, tier);
    }
    return false;
}

/* What the program has ever advised: guarded pages cannot even be read. */
static bool tpi_advised, tpi_guarded;

#ifndef MADV_GUARD_INSTALL /* Linux 6.13 */
#define MADV_GUARD_INSTALL 102
#endif

void tpi_job_note_advice(int advice) {
    switch (advice) {
    case MADV_DONTFORK:
    case MADV_WIPEONFORK:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_MERGEABLE:
    case MADV_SEQUENTIAL:
    case MADV_RANDOM:
        __atomic_store_n(&tpi_advised, true, __ATOMIC_RELAXED);
        break;
    case MADV_GUARD_INSTALL:
        __atomic_store_n(&tpi_guarded, true, __ATOMIC_RELAXED);
        break;
    default:
        break;
    }
}

static enum tp_stay tpi_check(const struct tp_movable *piece, const struct tpi_tier *to, bool copies) {
    struct tpi_tier *from = tpi_tier_at(tp_pagemap_tier(piece->start));
    if (!to->open) return TP_STAY_NO_MEMORY;
    if (tpi_tier_owned_by_library(from, (void *)piece->start)) return TP_STAY_SHARED;
    if (!copies) return TP_STAY_NONE;
    if (piece->kind == TP_MOVABLE_MAP && to->backend->adopt == NULL) return TP_STAY_MAPPED;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (here >= piece->start && here < piece->start + piece->size) return TP_STAY_STACK;
    if (__atomic_load_n(&tpi_guarded, __ATOMIC_RELAXED)) return TP_STAY_PROTECTED;
    enum tp_stay stay = tpi_vmas_accessible(piece->start, tpi_piece_end(piece));
    return stay == TP_STAY_NONE ? tpi_threads_stand_on(piece->start, tpi_piece_end(piece)) : stay;
}

/* Fresh pages for as much of the piece as whole granules of the tier cover. */
static enum tp_stay tpi_open_slices(struct tpi_job *job, int *error) {
    size_t granule = job->to->granule_bytes;
    struct tpi_advice advice;
    enum tp_stay stay = tpi_vmas_special(job->piece.start, tpi_piece_end(&job->piece),
                                         __atomic_load_n(&tpi_advised, __ATOMIC_RELAXED), &advice);
    if (stay != TP_STAY_NONE) return stay;
    uintptr_t start = tpi_round_up(job->piece.start, granule),
              end = tpi_piece_end(&job->piece) & ~(granule - 1);
    if (start >= end) return TP_STAY_CUT;
    job->has_slices = tpi_slices_open(&job->slices, job->to, start, end);
    if (!job->has_slices) *error = errno;
    if (!job->has_slices) return TP_STAY_NO_MEMORY;
    const struct tpi_tier *from = tpi_tier_at(tp_pagemap_tier(job->piece.start));
    bool pages_too = from->plan->kind != TP_TIER_HUGE && job->to->plan->kind != TP_TIER_HUGE;
    tpi_vmas_advise(job->slices.next, (size_t)(job->slices.end - job->slices.next), advice, pages_too);
    return TP_STAY_NONE;
}

static bool tpi_goes_on(const struct tpi_job *job, const struct tp_movable *piece,
                        const struct tpi_tier *to) {
    return job->active && job->to == to && job->piece.kind == piece->kind &&
           job->piece.start == piece->start && job->piece.size == piece->size &&
           job->piece.site == piece->site;
}

enum tp_stay tpi_job_begin(struct tpi_job *job, const struct tp_movable *piece, struct tpi_tier *to,
                           int *error) {
    bool copies = tpi_needs_copy(piece, to);
    enum tp_stay stay = tpi_check(piece, to, copies);
    if (stay != TP_STAY_NONE || tpi_goes_on(job, piece, to)) return stay;
    tpi_job_end(job);
    size_t bytes = tpi_unmoved_bytes(piece, to);
    if (!tpi_tier_reserve(to, bytes)) return TP_STAY_FULL;
    *job = (struct tpi_job){.active = true, .piece = *piece, .to = to, .reserved = bytes};
    stay = copies ? tpi_open_slices(job, error) : TP_STAY_NONE;
    if (stay != TP_STAY_NONE) tpi_job_end(job);
    return stay;
}

void tpi_job_end(struct tpi_job *job) {
    if (!job->active) return;
    if (job->has_slices) tpi_slices_close(&job->slices);
    tpi_tier_unreserve(job->to, job->reserved);
    *job = (struct tpi_job){.active = false};
}

void tpi_job_account(struct tpi_job *job, struct tpi_tier *from, size_t bytes) {
    size_t reserved = bytes < job->reserved ? bytes : job->reserved;
    job->reserved -= reserved;
    if (bytes > reserved)
        tpi_tier_reserve_any(job->to, bytes - reserved); /* pages that another move gave away */
    tpi_tier_unreserve(from, bytes);
    tpi_tier_show_peak(job->to);
}
