/* track_map.c - the mmap family's slow paths. What a system call will replace or remove is taken out of
 * maps.c before it, because afterwards the range may be another thread's, and put back if it fails.
 */
#include <errno.h>
#include <sys/mman.h>

#include "../common/rawio.h"
#include "../place/phases.h"
#include "../place/place.h"
#include "busy.h"
#include "allocators.h"
#include "engine.h"
#include "hooks.h"
#include "maps.h"
#include "options.h"
#include "pagemap.h"
#include "parts.h"
#include "python.h"
#include "sites.h"
#include "stream.h"
#include "timing.h"
#include "track.h"
#include "track_map.h"
#include "track_tear.h"
#include "where.h"

void tpi_map_record(tp_guard *guard, enum tp_record_type type, const struct tp_map *map, uint64_t time_ns,
                    uint16_t flags, uint32_t aux) {
    if (!tp_process_records()) return;
    tp_stream_write(guard, &(struct tp_record){.time_ns = time_ns,
                                               .address = map->start,
                                               .size = map->end - map->start,
                                               .site = map->site,
                                               .type = (uint8_t)type,
                                               .tier = map->tier,
                                               .flags = flags,
                                               .aux = aux});
}

static void tpi_end_pieces(const struct tp_map_pieces *pieces) {
    for (unsigned i = 0; i < pieces->n_pieces; i++) {
        const struct tp_map *map = &pieces->pieces[i];
        if (map->placed) tp_place_unmap((void *)map->start, map->end - map->start, map->tier);
    }
}

/* Under a plan: where the pages are, as long as they are there. */
void tpi_ask_pieces(tp_guard *guard, const struct tp_map_pieces *pieces, uint64_t time_ns) {
    for (unsigned i = 0; i < pieces->n_pieces; i++) {
        const struct tp_map *map = &pieces->pieces[i];
        const struct tp_where_range range = {map->start, map->end - map->start, map->site, time_ns};
        if (map->placed) tp_where_at_end(guard, &range);
    }
}

void tp_track_exit_maps(tp_guard *guard) {
    struct tp_map map = {.end = 0};
    while (tp_maps_next(guard, map.end, &map)) {
        const struct tp_where_range range = {map.start, map.end - map.start, map.site, tp_now_ns()};
        if (map.placed) tp_where_at_exit(guard, &range);
    }
}

void tpi_begin_ending(tp_guard *guard, uintptr_t start, uintptr_t end, struct tpi_ending *ending) {
    *ending = (struct tpi_ending){.time_ns = tp_now_ns(), .start = start, .end = end};
    tp_maps_remove(guard, start, end, &ending->last);
    tpi_ask_pieces(guard, &ending->last, ending->time_ns);
    while (ending->last.n_pieces == TP_MAP_PIECES) {
        tpi_end_pieces(&ending->last);
        ending->tracked = true;
        tp_maps_remove(guard, start, end, &ending->last);
        tpi_ask_pieces(guard, &ending->last, ending->time_ns);
    }
    ending->tracked |= ending->last.n_pieces > 0;
    if (ending->tracked) tp_busy_settle(start, end - start);
    if (ending->tracked && tp_place_active()) tp_pagemap_set_tier(start, end - start, 0);
}

void tpi_finish_ending(tp_guard *guard, const struct tpi_ending *ending) {
    const struct tp_map range = {.start = ending->start, .end = ending->end, .site = TP_SITE_NONE};
    if (!ending->tracked) return;
    tpi_end_pieces(&ending->last);
    tpi_map_record(guard, TP_UNMAP, &range, ending->time_ns, 0, 0);
}

void tpi_cancel_ending(tp_guard *guard, const struct tpi_ending *ending) {
    for (unsigned i = 0; i < ending->last.n_pieces; i++) {
        const struct tp_map *map = &ending->last.pieces[i];
        tp_maps_add(guard, map);
        if (map->tier != 0) tp_pagemap_set_tier(map->start, map->end - map->start, map->tier);
    }
}

/* Memory that placement may move: private, of no file, not code, and not a stack that grows. */
static bool tpi_placeable(size_t size, int prot, int flags) {
    return tp_place_is_memory(size) &&
           (flags & (MAP_ANONYMOUS | MAP_PRIVATE | MAP_GROWSDOWN | MAP_STACK | MAP_HUGETLB)) ==
               (MAP_ANONYMOUS | MAP_PRIVATE) &&
           (prot & PROT_EXEC) == 0;
}

bool tpi_map_site(tp_guard *guard, size_t size, struct tp_site *site) {
    struct tp_backtrace backtrace;
    if (size < tp_options.threshold_bytes) return false;
    tp_unwind(guard, &backtrace);
    if (backtrace.n_frames > 0 && tp_allocator_hooked_at(backtrace.frames[0])) return false;
    guard->self->pending.truncated += backtrace.truncated;
    *site = tp_site_of(guard, &backtrace, true);
    return true;
}

/* Readable, writable and with its memory reserved: what a file can stand in for. Allocators reserve none for
 * what they will use all the same. */
static bool tpi_plain(int prot, int flags, const struct tp_site *site) {
    int unfit = site->allocator ? MAP_LOCKED : MAP_LOCKED | MAP_NORESERVE;
    return prot == (PROT_READ | PROT_WRITE) && (flags & unfit) == 0;
}

static void tpi_map_place(struct tp_map *map, struct tp_site site, bool plain) {
    size_t size = map->end - map->start;
    map->tier = site.tier;
    map->placed = true;
    if (site.parts != 0)
        tp_place_map_split(site.parts, site.tier, (void *)map->start, size, plain);
    else
        map->tier = (uint8_t)tp_place_map(site.tier, (void *)map->start, size, plain);
}

/* What is still tracked in its range was unmapped behind the hooks' back. */
void tpi_map_adopt(tp_guard *guard, struct tp_map *map, struct tp_site site, int prot, int flags) {
    struct tpi_ending unnoticed;
    tpi_begin_ending(guard, map->start, map->end, &unnoticed);
    tpi_finish_ending(guard, &unnoticed);
    uint64_t now_ns = tp_now_ns();
    map->site = site.number;
    if (tp_place_active() && tpi_placeable(map->end - map->start, prot, flags)) {
        site = tp_parts_site(site, map->end - map->start);
        tpi_map_place(map, site, tpi_plain(prot, flags, &site));
        guard->self->pending.unnamed += !site.named;
    } else {
        site.parts = 0;
    }
    if (!(site.parts != 0 ? tp_parts_add_map : tp_maps_add)(guard, map)) return;
    tp_engine_claim(map->start, map->end - map->start, map->site);
    uint16_t spill = map->placed && map->tier != site.tier ? TP_FLAG_SPILL : 0;
    tpi_map_record(guard, TP_MAP, map, now_ns, (map->file ? TP_FLAG_FILE : 0) | spill, (uint32_t)prot);
    const struct tp_owner whole = {
        .address = map->start, .size = map->end - map->start, .site = map->site, .tier = map->tier};
    if (site.parts != 0) tp_parts_record(guard, &whole, now_ns);
    tp_phases_allocated(guard, map->site);
}

static void *tpi_mmap(tp_guard *guard, void *address, size_t size, int prot, int flags, int fd,
                      off_t offset) {
    struct tp_timing timing = tp_timing_begin(guard);
    struct tp_site site;
    struct tpi_ending replaced = {.tracked = false};
    bool tracked = tpi_map_site(guard, size, &site);
    bool replaces = (flags & MAP_FIXED) != 0;
    uintptr_t start = (uintptr_t)address;
    if (replaces) tpi_begin_ending(guard, start, tpi_page_end(start + size), &replaced);
    if (replaces && !replaced.tracked) tpi_tear(guard, address, size);
    tp_timing_pause(&timing);
    errno = guard->saved_errno;
    void *mapped = tp_real.mmap(address, size, prot, flags, fd, offset);
    guard->saved_errno = errno;
    tp_timing_resume(&timing);
    if (mapped == MAP_FAILED) {
        if (replaces) tpi_cancel_ending(guard, &replaced);
        return mapped;
    }
    if (replaces) tpi_finish_ending(guard, &replaced);
    start = (uintptr_t)mapped;
    struct tp_map map = {
        .start = start, .end = tpi_page_end(start + size), .file = (flags & MAP_ANONYMOUS) == 0};
    if (tracked) tpi_map_adopt(guard, &map, site, prot, flags);
    tp_timing_end(guard, &timing);
    return mapped;
}

/* Inside the guard memkind maps room for small objects. They would be in the C library's heap otherwise, not
 * in a hole that the program has left among its mappings. */
static void *tpi_mmap_inside(void *address, size_t size, int prot, int flags, int fd, off_t offset) {
    const uintptr_t huge_bytes = (uintptr_t)2 << 20;
    if (address == NULL && (flags & MAP_FIXED) == 0 && tp_place_active())
        address = (void *)(((uintptr_t)tp_raw_aside(size + huge_bytes) + huge_bytes - 1) & ~(huge_bytes - 1));
    return tp_real.mmap(address, size, prot, flags, fd, offset);
}

void *tp_track_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return tpi_mmap_inside(address, size, prot, flags, fd, offset);
    void *mapped;
    if (tp_process_ready(&guard)) {
        mapped = tpi_mmap(&guard, address, size, prot, flags, fd, offset);
    } else {
        errno = guard.saved_errno;
        mapped = tp_real.mmap(address, size, prot, flags, fd, offset);
        guard.saved_errno = errno;
    }
    tp_guard_leave(&guard);
    return mapped;
}

/* Parts of a file stay in it until all of it is unmapped: their room is given back through a second mapping,
 * because what the program sees must not change if the system call fails. */
int tpi_munmap(tp_guard *guard, void *address, size_t size) {
    struct tpi_ending ending;
    void *twins[TP_MAP_PIECES];
    uintptr_t start = (uintptr_t)address;
    tpi_begin_ending(guard, start, tpi_page_end(start + size), &ending);
    const struct tp_map_pieces *last = &ending.last;
    if (!ending.tracked) tpi_tear(guard, address, size);
    for (unsigned i = 0; i < last->n_pieces; i++) {
        const struct tp_map *map = &last->pieces[i];
        twins[i] = map->placed ? tp_place_double((void *)map->start, map->end - map->start, map->tier) : NULL;
    }
    errno = guard->saved_errno;
    int status = tp_real.munmap(address, size);
    guard->saved_errno = errno;
    for (unsigned i = 0; i < last->n_pieces; i++)
        if (twins[i] != NULL)
            tp_place_drop_double(twins[i], last->pieces[i].end - last->pieces[i].start, status == 0);
    (status == 0 ? tpi_finish_ending : tpi_cancel_ending)(guard, &ending);
    return status;
}

int tp_track_munmap(void *address, size_t size) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return tp_real.munmap(address, size);
    int status;
    if (tp_process_ready(&guard)) {
        tp_python_unmapping(&guard, address, size);
        status = tpi_munmap(&guard, address, size);
    } else {
        errno = guard.saved_errno;
        status = tp_real.munmap(address, size);
        guard.saved_errno = errno;
    }
    tp_guard_leave(&guard);
    return status;
}

/* The new range is the old object's, moved: it keeps the site that mapped it first, and its tier. */
static void tpi_move(tp_guard *guard, const struct tpi_ending *moved, uintptr_t start, size_t size) {
    const struct tp_map *first = &moved->last.pieces[0];
    struct tp_map map = *first;
    map.start = start;
    map.end = tpi_page_end(start + size);
    if (map.placed)
        map.tier = (uint8_t)tp_place_map(first->tier, (void *)map.start, map.end - map.start, false);
    if (!tp_maps_add(guard, &map)) return;
    tp_engine_claim(map.start, map.end - map.start, map.site);
    tpi_map_record(guard, TP_MAP, &map, tp_now_ns(), map.file ? TP_FLAG_FILE : 0, 0);
}

/* With MREMAP_DONTUNMAP, or an old size of 0, the old range stays mapped and the new one is a fresh object.
 */
static void *tpi_mremap(tp_guard *guard, void *old, size_t old_size, size_t size, int flags, void *to) {
    struct tpi_ending moved = {.tracked = false}, replaced = {.tracked = false};
    struct tp_site site;
    uintptr_t start = (uintptr_t)old, target = (uintptr_t)to;
    bool moves = old_size > 0 && (flags & MREMAP_DONTUNMAP) == 0, replaces = (flags & MREMAP_FIXED) != 0;
    tpi_tear_off(guard, old, old_size);
    if (replaces) tpi_tear(guard, to, size);
    if (tp_place_shares(old, old_size > 0 ? old_size : 1) || tp_place_is_split(old, old_size))
        return tpi_remap(guard, old, old_size, size, flags, to);
    bool tracked = !moves && tpi_map_site(guard, size, &site);
    if (moves) tpi_begin_ending(guard, start, tpi_page_end(start + old_size), &moved);
    if (replaces) tpi_begin_ending(guard, target, tpi_page_end(target + size), &replaced);
    errno = guard->saved_errno;
    void *mapped = tp_real.mremap(old, old_size, size, flags, to);
    if (mapped == MAP_FAILED && errno == EFAULT && moved.tracked) { /* several mappings, made so by us? */
        tp_place_forget_policy(old, old_size);
        mapped = tp_real.mremap(old, old_size, size, flags, to);
    }
    guard->saved_errno = errno;
    if (mapped == MAP_FAILED) {
        if (moves) tpi_cancel_ending(guard, &moved);
        if (replaces) tpi_cancel_ending(guard, &replaced);
        return mapped;
    }
    tpi_finish_ending(guard, &replaced);
    tpi_finish_ending(guard, &moved);
    start = (uintptr_t)mapped;
    struct tp_map map = {.start = start, .end = tpi_page_end(start + size)};
    if (moved.last.n_pieces > 0) tpi_move(guard, &moved, start, size);
    if (tracked) tpi_map_adopt(guard, &map, site, PROT_NONE, 0);
    return mapped;
}

void *tp_track_mremap(void *old, size_t old_size, size_t size, int flags, void *to) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return tp_real.mremap(old, old_size, size, flags, to);
    void *mapped;
    if (tp_process_ready(&guard)) {
        tp_python_unmapping(&guard, old, old_size);
        mapped = tpi_mremap(&guard, old, old_size, size, flags, to);
    } else {
        errno = guard.saved_errno;
        mapped = tp_real.mremap(old, old_size, size, flags, to);
        guard.saved_errno = errno;
    }
    tp_guard_leave(&guard);
    return mapped;
}
