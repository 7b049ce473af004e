/* move.c - see move.h. */
#include "move.h"

#include <signal.h>

#include "../shim/busy.h"
#include "../shim/counters.h"
#include "../shim/meta.h"
#include "../shim/pagemap.h"
#include "../shim/process.h"
#include "../shim/sites.h"
#include "../shim/stream.h"
#include "assigned.h"
#include "held.h"
#include "job.h"
#include "pages.h"
#include "place.h"
#include "stragglers.h"
#include "torn.h"
#include "vmas.h"

static tp_lock tpi_gate = TP_LOCK_INIT;  /* held in a signal handler that moves, and by a thread that forks */
static tp_lock tpi_mover = TP_LOCK_INIT; /* held for a call of tp_move */
static tp_lock tpi_chunk = TP_LOCK_INIT; /* held for a chunk, and by a thread that forks */
static struct tpi_job tpi_job;

/* Is a move on its way, and how many changes of mappings that did not wait for it? */
static uint32_t tpi_moving, tpi_changes;
static bool tpi_changed; /* between two chunks of a call, so that what was known of the mappings is not */

enum {
    TPI_PATIENCE_NS = 20000000
}; /* for a change or a fork that takes long, or waits for a thread that we interrupted */

/* A call of tp_move on its way. */
struct tpi_move {
    tp_guard *guard;
    struct tpi_tier *to;
    uint64_t max_bytes;
    struct tp_move_result *result;
};

/* Pages of a piece that have moved one after the other, for one record. */
struct tpi_moved {
    uintptr_t start, end;
    uint64_t worst_ns;
};

static void tpi_record_run(const struct tpi_move *move, const struct tp_movable *piece, uintptr_t start,
                           uintptr_t end, uint64_t worst_ns) {
    uint64_t worst_us = (worst_ns + 999) / 1000;
    struct tp_record record = {.time_ns = tp_now_ns(),
                               .address = start,
                               .size = tpi_piece_bytes(piece, start, end - start),
                               .site = piece->site,
                               .type = TP_MOVE,
                               .tier = (uint8_t)move->to->index,
                               .aux = worst_us < UINT32_MAX ? (uint32_t)worst_us : UINT32_MAX};
    if (record.size > 0 && tp_process_records()) tp_stream_write(move->guard, &record);
}

/* Among the pages may be some that the kernel left where they were. */
static void tpi_record(const struct tpi_move *move, const struct tp_movable *piece, struct tpi_moved *moved) {
    for (uintptr_t at = moved->start, next; at < moved->end; at = next) {
        unsigned tier = tp_pagemap_tier(at);
        next = tpi_run_end(piece, at, tier);
        if (next > moved->end) next = moved->end;
        if (tier == move->to->index) tpi_record_run(move, piece, at, next, moved->worst_ns);
    }
    *moved = (struct tpi_moved){0, 0, 0};
}

static void tpi_stay(const struct tpi_move *move, enum tp_stay why, size_t bytes, int error) {
    static const char *const words[TP_STAYS] = {
        [TP_STAY_FULL] = "an object did not move: its new tier is full",
        [TP_STAY_NO_MEMORY] = "an object did not move: its new tier had no memory for it",
        [TP_STAY_FAILED] = "an object did not move: a system call failed",
    };
    move->result->stay_bytes[why] += bytes;
    if (move->result->error == 0) move->result->error = error;
    if (why == TP_STAY_HEAP) return;
    tp_count(&tp_counters->failed_moves, 1);
    tp_count(&tp_counters->failed_move_bytes, bytes);
    if (words[why] != NULL) tp_meta_note(move->guard, TP_NOTE_MOVE_FAILED, (uint32_t)error, words[why]);
}

/* The chunk that begins at `at`: pages of one tier, whole granules of both, ending where a chunk does in the
 * address space, so that huge pages move whole. *why: if there is none, why the *size bytes stay. */
static bool tpi_next_chunk(uintptr_t at, uintptr_t run_end, const struct tpi_tier *from,
                           const struct tpi_tier *to, size_t *size, enum tp_stay *why) {
    bool copies = !tpi_tier_retargets(from, to);
    size_t granule = from->granule_bytes > to->granule_bytes ? from->granule_bytes : to->granule_bytes;
    size_t chunk = granule > TP_MOVE_CHUNK_BYTES ? granule : TP_MOVE_CHUNK_BYTES;
    uintptr_t aligned = tpi_round_up(at, granule), end = (at & ~(chunk - 1)) + chunk;
    if (end > run_end) end = run_end;
    *why = TP_STAY_CUT;
    *size = end - at;
    if (!copies) return true;
    if (aligned > at && aligned < run_end) *size = aligned - at;
    if (aligned > at || end - at < granule) return false;
    *size = (end - at) & ~(granule - 1);
    return true;
}

/* Pages that were huge by advice become small ones, unless the kernel makes all memory huge anyway. */
static void tpi_leave_huge(uintptr_t at, size_t size) {
    char modes[64] = "";
    tp_raw_read_file("/sys/kernel/mm/transparent_hugepage/enabled", modes, sizeof modes - 1);
    if (modes[0] == '[') return; /* [always] */
    tpi_madvise((void *)at, size, MADV_NOHUGEPAGE);
    tpi_pages_split(at, size);
}

/* Ordinary memory, whether it is made slow or not: the pagemap alone tells. */
static bool tpi_is_plain(const struct tpi_tier *tier) {
    return tier->plan->kind == TP_TIER_SYSTEM || tier->plan->kind == TP_TIER_EMULATED;
}

/* In place. Pages that the kernel would not move stay accounted where they are. */
static enum tp_stay tpi_retarget(const struct tpi_move *move, struct tpi_tier *from, uintptr_t at,
                                 size_t size, const struct tp_movable *piece, size_t *moved_bytes) {
    static bool strays[TPI_STRAGGLER_PAGES];
    struct tpi_tier *to = move->to;
    if (tpi_is_plain(from) && tpi_is_plain(to)) {
        tp_pagemap_set_tier(at, size, to->index);
        return TP_STAY_NONE;
    }
    if (!to->backend->retarget(to, (void *)at, size)) return TP_STAY_FAILED;
    if (from->plan->kind == TP_TIER_HUGE) tpi_leave_huge(at, size);
    bool mixed = to->plan->kind == TP_TIER_INTERLEAVE;
    size_t n_strays = tpi_stragglers(at, size, mixed, strays), left = 0;
    tp_pagemap_set_tier(at, size, to->index);
    for (size_t i = 0; n_strays > 0 && i < size / TPI_PAGE_BYTES; i++) {
        if (!strays[i]) continue;
        uintptr_t page = at + i * TPI_PAGE_BYTES;
        tp_pagemap_set_tier(page, TPI_PAGE_BYTES, from->index);
        left += tpi_piece_bytes(piece, page, TPI_PAGE_BYTES);
    }
    *moved_bytes -= left;
    if (left > 0) tpi_stay(move, TP_STAY_NODE, left, 0);
    return TP_STAY_NONE;
}

static enum tp_stay tpi_carry(const struct tpi_move *move, struct tpi_tier *from, uintptr_t at, size_t size,
                              const struct tp_movable *piece, size_t *moved_bytes, uint64_t *frozen_ns) {
    uint64_t before_ns = tp_now_ns();
    enum tp_stay stay;
    if (tpi_tier_retargets(from, move->to)) {
        stay = tpi_retarget(move, from, at, size, piece, moved_bytes);
        *frozen_ns = tp_now_ns() - before_ns; /* no writer waits longer: the kernel locks page by page */
        return stay;
    }
    if (!tpi_job.has_slices) return TP_STAY_CUT;
    struct tpi_sliced sliced = tpi_slices_replace(&tpi_job.slices, from, move->to, at, size);
    *frozen_ns = sliced.frozen_ns;
    if (sliced.stay == TP_STAY_NONE) tp_pagemap_set_tier(at, size, move->to->index);
    if (move->result->error == 0) move->result->error = sliced.error;
    return sliced.stay;
}

/* What the tables and the result say of a chunk that has moved. */
static void tpi_note_chunk(const struct tpi_move *move, const struct tp_movable *piece, uintptr_t at,
                           size_t size, uint64_t frozen_ns, struct tpi_moved *moved) {
    bool whole = tpi_job.reserved == 0;
    for (uintptr_t start = at, next; start < at + size; start = next) {
        unsigned tier = tp_pagemap_tier(start);
        next = tpi_run_end(piece, start, tier);
        if (next > at + size) next = at + size;
        if (tier == move->to->index) tp_movable_set_tier(move->guard, piece, start, next, tier, whole);
    }
    move->result->chunks++;
    move->result->frozen_ns += frozen_ns;
    if (frozen_ns > move->result->worst_ns) move->result->worst_ns = frozen_ns;
    if (frozen_ns > moved->worst_ns) moved->worst_ns = frozen_ns;
    if (moved->end == 0) moved->start = at;
    moved->end = at + size;
}

/* Has the program taken pages out of it? Others may be there now. Once the piece is held, this stays so. */
static bool tpi_is_torn(const struct tp_movable *piece) {
    return piece->kind == TP_MOVABLE_OBJECT && tpi_torn_any(piece->start);
}

/* What may have come since the piece was looked at. */
static enum tp_stay tpi_check_again(const struct tp_movable *piece, const struct tpi_tier *from,
                                    const struct tpi_tier *to, uintptr_t at, size_t size) {
    if (tpi_is_torn(piece)) return TP_STAY_MAPPED;
    if (!tpi_changed || tpi_tier_retargets(from, to)) return TP_STAY_NONE;
    return tpi_vmas_accessible(at, at + size);
}

/* False: the piece has gone. */
static bool tpi_move_chunk(const struct tpi_move *move, const struct tp_movable *piece, struct tpi_tier *from,
                           uintptr_t at, size_t size, struct tpi_moved *moved) {
    tp_guard_lock(move->guard, &tpi_chunk);
    bool there = tp_movable_hold(move->guard, piece, at, at + size);
    if (there) {
        size_t bytes = tpi_piece_bytes(piece, at, size), moved_bytes = bytes;
        uint64_t frozen_ns = 0;
        enum tp_stay stay = tpi_check_again(piece, from, move->to, at, size);
        if (stay == TP_STAY_NONE) stay = tpi_carry(move, from, at, size, piece, &moved_bytes, &frozen_ns);
        if (stay == TP_STAY_NONE) {
            tpi_job_account(&tpi_job, from, moved_bytes);
            move->result->moved_bytes += moved_bytes;
            tpi_note_chunk(move, piece, at, size, frozen_ns, moved);
        } else
            tpi_stay(move, stay, bytes, move->result->error);
        tp_movable_drop(move->guard, piece);
    }
    tp_guard_unlock(move->guard, &tpi_chunk);
    return there;
}

/* Chunk by chunk, until it is all there or max_bytes are used up. */
static void tpi_move_pages(const struct tpi_move *move, const struct tp_movable *piece) {
    struct tpi_moved moved = {0, 0, 0};
    uintptr_t end = tpi_piece_end(piece);
    size_t size;
    bool there = true;
    for (uintptr_t at = piece->start; there && at < end; at += size) {
        struct tpi_tier *from = tpi_tier_at(tp_pagemap_tier(at));
        uintptr_t run_end = tpi_run_end(piece, at, from->index);
        enum tp_stay why;
        size = run_end - at;
        if (from == move->to) continue;
        if (moved.end != at && moved.end != 0) tpi_record(move, piece, &moved);
        if (move->result->moved_bytes >= move->max_bytes) {
            move->result->left_bytes += tpi_piece_bytes(piece, at, size);
            continue;
        }
        if (tpi_next_chunk(at, run_end, from, move->to, &size, &why))
            there = tpi_move_chunk(move, piece, from, at, size, &moved);
        else
            tpi_stay(move, why, tpi_piece_bytes(piece, at, size), 0);
    }
    tpi_record(move, piece, &moved);
}

static void tpi_move_piece(const struct tpi_move *move, const struct tp_movable *piece) {
    size_t bytes = piece->kind == TP_MOVABLE_NOT ? piece->size : tpi_unmoved_bytes(piece, move->to);
    if (bytes == 0) return;
    if (piece->kind == TP_MOVABLE_NOT) {
        tpi_stay(move, TP_STAY_HEAP, bytes, 0);
        return;
    }
    if (move->result->moved_bytes >= move->max_bytes) {
        move->result->left_bytes += bytes;
        return;
    }
    int error = 0;
    enum tp_stay stay =
        tpi_is_torn(piece) ? TP_STAY_MAPPED : tpi_job_begin(&tpi_job, piece, move->to, &error);
    if (stay != TP_STAY_NONE) {
        tpi_stay(move, stay, bytes, error);
        return;
    }
    uint64_t left_before = move->result->left_bytes, moved_before = move->result->moved_bytes;
    tpi_move_pages(move, piece);
    tp_count(&tp_counters->moves, move->result->moved_bytes > moved_before);
    if (move->result->left_bytes == left_before) tpi_job_end(&tpi_job); /* otherwise it goes on some time */
}

static void tpi_move_site(const struct tpi_move *move, uint32_t site) {
    struct tp_movables_cursor cursor = {.stage = TP_MOVABLE_OBJECT};
    struct tp_movable piece;
    while (tp_movables_next(move->guard, &cursor, site, &piece))
        tpi_move_piece(move, &piece);
    tpi_freezer_close();
    if (move->result->left_bytes == 0) tpi_job_end(&tpi_job);
    tp_count(&tp_counters->moved_bytes, move->result->moved_bytes);
    tp_count(&tp_counters->frozen_ns, move->result->frozen_ns);
    uint64_t worst = __atomic_load_n(&tp_counters->frozen_worst_ns, __ATOMIC_RELAXED);
    if (move->result->worst_ns > worst)
        __atomic_store_n(&tp_counters->frozen_worst_ns, move->result->worst_ns, __ATOMIC_RELAXED);
}

/* From now on changes wait for the chunk that is being moved. False: one that began before does not end. */
static bool tpi_begin(void) {
    uint64_t until_ns = tp_now_ns() + TPI_PATIENCE_NS;
    tpi_changed = false;
    __atomic_store_n(&tpi_moving, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&tpi_changes, __ATOMIC_SEQ_CST) > 0) {
        if (tp_now_ns() > until_ns) {
            __atomic_store_n(&tpi_moving, 0, __ATOMIC_SEQ_CST);
            return false;
        }
        syscall(SYS_sched_yield);
    }
    return true;
}

void tp_move_pause(tp_guard *guard, bool *waited) {
    __atomic_fetch_add(&tpi_changes, 1, __ATOMIC_SEQ_CST);
    *waited = __atomic_load_n(&tpi_moving, __ATOMIC_SEQ_CST) != 0;
    if (!*waited) return;
    __atomic_fetch_sub(&tpi_changes, 1, __ATOMIC_SEQ_CST);
    tp_guard_lock(guard, &tpi_chunk);
}

void tp_move_resume(tp_guard *guard, bool waited) {
    if (waited) {
        tpi_changed = true;
        tp_guard_unlock(guard, &tpi_chunk);
    } else
        __atomic_fetch_sub(&tpi_changes, 1, __ATOMIC_SEQ_CST);
}

/* Not waited for: true if it was free. */
static bool tpi_try(tp_guard *guard, tp_lock *lock) {
    guard->self->locks++; /* first: a handler that comes in between must not wait for it */
    if (tp_lock_try(lock)) return true;
    guard->self->locks--;
    return false;
}

/* A fork takes its time, and one may follow the other: so it is waited for a while, and not for ever. */
bool tp_move_enter_handler(tp_guard *guard) {
    uint64_t until_ns = tp_now_ns() + TPI_PATIENCE_NS;
    bool entered = tpi_try(guard, &tpi_gate);
    for (; !entered && tp_now_ns() < until_ns; entered = tpi_try(guard, &tpi_gate))
        syscall(SYS_sched_yield);
    return entered;
}

void tp_move_leave_handler(tp_guard *guard) {
    tp_guard_unlock(guard, &tpi_gate);
}

void tp_move_advised(int advice) {
    tpi_job_note_advice(advice);
}

static bool tpi_move(struct tpi_move *move, const struct tp_move_request *request) {
    if (!tpi_begin()) return false;
    tpi_assign(request->key_hi, request->key_lo, request->tier);
    uint32_t site = tp_sites_set_tier(move->guard, request->key_hi, request->key_lo, request->tier);
    move->result->unseen = site == TP_SITE_NONE;
    if (!move->result->unseen) tpi_move_site(move, site);
    __atomic_store_n(&tpi_moving, 0, __ATOMIC_SEQ_CST);
    return true;
}

static void tpi_set_mask(uint64_t mask, uint64_t *old) {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, old, sizeof mask);
}

/* No signals meanwhile: a handler might write to what is frozen, and wait for its own thread; or fork, and
 * the child would go on moving. */
bool tp_move(tp_guard *guard, const struct tp_move_request *request, struct tp_move_result *result) {
    *result = (struct tp_move_result){.moved_bytes = 0};
    struct tpi_move move = {guard, tpi_known_tier(request->tier), request->max_bytes, result};
    uint64_t mask;
    if (move.to == NULL) return true;
    if (move.max_bytes == 0) move.max_bytes = 1;
    tpi_set_mask(UINT64_MAX, &mask);
    if (request->waits) tp_guard_lock(guard, &tpi_mover);
    bool mine = request->waits || tpi_try(guard, &tpi_mover), begun = mine && tpi_move(&move, request);
    if (mine) tp_guard_unlock(guard, &tpi_mover);
    tpi_set_mask(mask, NULL);
    return begun;
}

void tp_move_fork_prepare(tp_guard *guard) {
    tp_guard_lock(guard, &tpi_gate);
    tp_guard_lock(guard, &tpi_chunk);
}

void tp_move_fork_parent(tp_guard *guard) {
    tp_guard_unlock(guard, &tpi_chunk);
    tp_guard_unlock(guard, &tpi_gate);
}

void tp_move_fork_child(void) {
    tp_lock_renew(&tpi_gate);
    tp_lock_renew(&tpi_mover);
    tp_lock_renew(&tpi_chunk);
    tpi_moving = tpi_changes = 0;
    tp_busy_clear();
    tpi_freezer_close();
    tpi_job_end(&tpi_job);
}
