/* job.c - see job.h. */
#include "job.h"

#include "../shim/pagemap.h"
#include "pages.h"
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

static enum tp_stay tpi_check(const struct tp_movable *piece, const struct tpi_tier *to, bool copies) {
    struct tpi_tier *from = tpi_tier_at(tp_pagemap_tier(piece->start));
    if (!to->open) return TP_STAY_NO_MEMORY;
    if (tpi_tier_owned_by_library(from, (void *)piece->start)) return TP_STAY_SHARED;
    if (!copies) return TP_STAY_NONE;
    if (piece->kind == TP_MOVABLE_MAP && to->backend->adopt == NULL) return TP_STAY_MAPPED;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (here >= piece->start && here < piece->start + piece->size) return TP_STAY_STACK;
    return tpi_vmas_replaceable(piece->start, tpi_piece_end(piece));
}

/* Fresh pages for as much of the piece as whole granules of the tier cover. */
static enum tp_stay tpi_open_slices(struct tpi_job *job) {
    size_t granule = job->to->granule_bytes;
    uintptr_t start = tpi_round_up(job->piece.start, granule),
              end = tpi_piece_end(&job->piece) & ~(granule - 1);
    if (start >= end) return TP_STAY_CUT;
    job->has_slices = tpi_slices_open(&job->slices, job->to, start, end);
    return job->has_slices ? TP_STAY_NONE : TP_STAY_NO_MEMORY;
}

static bool tpi_goes_on(const struct tpi_job *job, const struct tp_movable *piece,
                        const struct tpi_tier *to) {
    return job->active && job->to == to && job->piece.kind == piece->kind &&
           job->piece.start == piece->start && job->piece.size == piece->size &&
           job->piece.site == piece->site;
}

enum tp_stay tpi_job_begin(struct tpi_job *job, const struct tp_movable *piece, struct tpi_tier *to) {
    bool copies = tpi_needs_copy(piece, to);
    enum tp_stay stay = tpi_check(piece, to, copies);
    if (stay != TP_STAY_NONE || tpi_goes_on(job, piece, to)) return stay;
    tpi_job_end(job);
    size_t bytes = tpi_unmoved_bytes(piece, to);
    if (!tpi_tier_reserve(to, bytes)) return TP_STAY_FULL;
    *job = (struct tpi_job){.active = true, .piece = *piece, .to = to, .reserved = bytes};
    stay = copies ? tpi_open_slices(job) : TP_STAY_NONE;
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
