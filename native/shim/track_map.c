/* track_map.c - the mmap family's slow paths. What a system call will replace or remove is taken out of
 * maps.c before it, because afterwards the range may be another thread's, and put back if it fails.
 */
#include <errno.h>
#include <sys/mman.h>

#include "../common/rawio.h"
#include "../place/place.h"
#include "engine.h"
#include "hooks.h"
#include "maps.h"
#include "options.h"
#include "pagemap.h"
#include "sites.h"
#include "stream.h"
#include "timing.h"
#include "track.h"

static uintptr_t tpi_page_end(uintptr_t address) {
    const uintptr_t page_bytes = 4096;
    return (address + page_bytes - 1) & ~(page_bytes - 1);
}

static void tpi_record(tp_guard *guard, enum tp_record_type type, const struct tp_map *map, uint64_t time_ns,
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

/* What a system call is about to end. */
struct tpi_ending {
    uint64_t time_ns;
    uintptr_t start, end;
    bool tracked; /* any of it */
    struct tp_map_pieces last;
};

static void tpi_end_pieces(const struct tp_map_pieces *pieces) {
    for (unsigned i = 0; i < pieces->n_pieces; i++) {
        const struct tp_map *map = &pieces->pieces[i];
        if (map->placed) tp_place_unmap((void *)map->start, map->end - map->start, map->tier);
    }
}

/* Takes [start, end) out. More pieces than can be kept end for good: only the last ones could be put back. */
static void tpi_begin_ending(tp_guard *guard, uintptr_t start, uintptr_t end, struct tpi_ending *ending) {
    *ending = (struct tpi_ending){.time_ns = tp_now_ns(), .start = start, .end = end};
    tp_maps_remove(guard, start, end, &ending->last);
    while (ending->last.n_pieces == TP_MAP_PIECES) {
        tpi_end_pieces(&ending->last);
        ending->tracked = true;
        tp_maps_remove(guard, start, end, &ending->last);
    }
    ending->tracked |= ending->last.n_pieces > 0;
    if (ending->tracked && tp_place_active()) tp_pagemap_set_tier(start, end - start, 0);
}

static void tpi_finish_ending(tp_guard *guard, const struct tpi_ending *ending) {
    const struct tp_map range = {.start = ending->start, .end = ending->end, .site = TP_SITE_NONE};
    if (!ending->tracked) return;
    tpi_end_pieces(&ending->last);
    tpi_record(guard, TP_UNMAP, &range, ending->time_ns, 0, 0);
}

static void tpi_cancel_ending(tp_guard *guard, const struct tpi_ending *ending) {
    for (unsigned i = 0; i < ending->last.n_pieces; i++) {
        const struct tp_map *map = &ending->last.pieces[i];
        tp_maps_add(guard, map);
        if (map->tier != 0) tp_pagemap_set_tier(map->start, map->end - map->start, map->tier);
    }
}

/* Memory that placement may move: private, of no file, not code, and not a stack that grows. */
static bool tpi_placeable(int prot, int flags) {
    return (flags & (MAP_ANONYMOUS | MAP_PRIVATE | MAP_GROWSDOWN | MAP_STACK | MAP_HUGETLB)) ==
               (MAP_ANONYMOUS | MAP_PRIVATE) &&
           (prot & PROT_EXEC) == 0;
}

/* The stack and the site of a mapping. False: it is not tracked. */
static bool tpi_site(tp_guard *guard, size_t size, struct tp_site *site) {
    struct tp_backtrace backtrace;
    if (size < tp_options.threshold_bytes) return false;
    tp_unwind(guard, &backtrace);
    if (backtrace.n_frames > 0 && tp_process_in_foreign_malloc(backtrace.frames[0])) return false;
    guard->self->pending.truncated += backtrace.truncated;
    *site = tp_site_of(guard, &backtrace);
    return true;
}

/* Takes over a mapping that is there. What is still tracked in its range was unmapped behind the hooks' back.
 */
static void tpi_adopt(tp_guard *guard, struct tp_map *map, struct tp_site site, int prot, bool placeable) {
    struct tpi_ending unnoticed;
    tpi_begin_ending(guard, map->start, map->end, &unnoticed);
    tpi_finish_ending(guard, &unnoticed);
    uint64_t now_ns = tp_now_ns();
    map->site = site.number;
    if (placeable && tp_place_active()) {
        map->tier = (uint8_t)tp_place_map(site.tier, (void *)map->start, map->end - map->start);
        map->placed = true;
        guard->self->pending.unnamed += !site.named;
    }
    if (!tp_maps_add(guard, map)) return;
    tp_engine_claim(map->start, map->end - map->start, map->site);
    uint16_t spill = map->placed && map->tier != site.tier ? TP_FLAG_SPILL : 0;
    tpi_record(guard, TP_MAP, map, now_ns, (map->file ? TP_FLAG_FILE : 0) | spill, (uint32_t)prot);
}

static void *tpi_mmap(tp_guard *guard, void *address, size_t size, int prot, int flags, int fd,
                      off_t offset) {
    struct tp_timing timing = tp_timing_begin(guard);
    struct tp_site site;
    struct tpi_ending replaced = {.tracked = false};
    bool tracked = tpi_site(guard, size, &site);
    bool replaces = (flags & MAP_FIXED) != 0;
    uintptr_t start = (uintptr_t)address;
    if (replaces) tpi_begin_ending(guard, start, tpi_page_end(start + size), &replaced);
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
    if (tracked) tpi_adopt(guard, &map, site, prot, tpi_placeable(prot, flags));
    tp_timing_end(guard, &timing);
    return mapped;
}

void *tp_track_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return tp_real.mmap(address, size, prot, flags, fd, offset);
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

int tp_track_munmap(void *address, size_t size) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return tp_real.munmap(address, size);
    struct tpi_ending ending = {.tracked = false};
    uintptr_t start = (uintptr_t)address;
    bool ready = tp_process_ready(&guard);
    if (ready) tpi_begin_ending(&guard, start, tpi_page_end(start + size), &ending);
    errno = guard.saved_errno;
    int status = tp_real.munmap(address, size);
    guard.saved_errno = errno;
    if (ready && status == 0) tpi_finish_ending(&guard, &ending);
    if (ready && status != 0) tpi_cancel_ending(&guard, &ending);
    tp_guard_leave(&guard);
    return status;
}

/* The new range is the old object's, moved: it keeps the site that mapped it first, and its tier. */
static void tpi_move(tp_guard *guard, const struct tpi_ending *moved, uintptr_t start, size_t size) {
    const struct tp_map *first = &moved->last.pieces[0];
    struct tp_map map = *first;
    map.start = start;
    map.end = tpi_page_end(start + size);
    if (map.placed) map.tier = (uint8_t)tp_place_map(first->tier, (void *)map.start, map.end - map.start);
    if (!tp_maps_add(guard, &map)) return;
    tp_engine_claim(map.start, map.end - map.start, map.site);
    tpi_record(guard, TP_MAP, &map, tp_now_ns(), map.file ? TP_FLAG_FILE : 0, 0);
}

/* With MREMAP_DONTUNMAP, or an old size of 0, the old range stays mapped and the new one is a fresh object.
 */
static void *tpi_mremap(tp_guard *guard, void *old, size_t old_size, size_t size, int flags, void *to) {
    struct tpi_ending moved = {.tracked = false}, replaced = {.tracked = false};
    struct tp_site site;
    uintptr_t start = (uintptr_t)old, target = (uintptr_t)to;
    bool moves = old_size > 0 && (flags & MREMAP_DONTUNMAP) == 0, replaces = (flags & MREMAP_FIXED) != 0;
    bool tracked = !moves && tpi_site(guard, size, &site);
    if (moves) tpi_begin_ending(guard, start, tpi_page_end(start + old_size), &moved);
    if (replaces) tpi_begin_ending(guard, target, tpi_page_end(target + size), &replaced);
    errno = guard->saved_errno;
    void *mapped = tp_real.mremap(old, old_size, size, flags, to);
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
    if (tracked) tpi_adopt(guard, &map, site, PROT_NONE, false);
    return mapped;
}

void *tp_track_mremap(void *old, size_t old_size, size_t size, int flags, void *to) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return tp_real.mremap(old, old_size, size, flags, to);
    void *mapped;
    if (tp_process_ready(&guard)) {
        mapped = tpi_mremap(&guard, old, old_size, size, flags, to);
    } else {
        errno = guard.saved_errno;
        mapped = tp_real.mremap(old, old_size, size, flags, to);
        guard.saved_errno = errno;
    }
    tp_guard_leave(&guard);
    return mapped;
}
