/* track_remap.c - mremap of a range that a shared tier has a part of.
 *
 * To the program the range is one private mapping; to the kernel it may be several files, which end where the
 * program's mapping was made. So each tracked piece is moved by itself, and what the range grows by is a
 * fresh mapping behind it. Everything that the kernel would refuse of a private mapping is refused.
 */
#include <errno.h>
#include <sys/mman.h>

#include "../common/rawio.h"
#include "../place/mappings.h"
#include "../place/place.h"
#include "busy.h"
#include "engine.h"
#include "hooks.h"
#include "maps.h"
#include "track_map.h"

#define TPI_PAGE_MASK ((uintptr_t)4095)

struct tpi_remapping {
    uintptr_t start, end, target;
    size_t keep_bytes, grow_bytes; /* what moves, and what comes behind it */
    int prot;                      /* of the last page, and so of what is added */
    struct tp_map_pieces pieces;   /* of [start, start + keep_bytes) */
};

static void *tpi_refuse(tp_guard *guard, int error) {
    guard->saved_errno = error;
    return MAP_FAILED;
}

static bool tpi_valid(const struct tpi_remapping *re, size_t old_size, size_t bytes, int flags) {
    bool fixed = (flags & MREMAP_FIXED) != 0, may_move = (flags & MREMAP_MAYMOVE) != 0;
    if ((flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) != 0 ||
        (re->start & TPI_PAGE_MASK) != 0)
        return false;
    if (old_size == 0 || bytes == 0 || (fixed && !may_move)) return false;
    if ((flags & MREMAP_DONTUNMAP) != 0 && (!may_move || bytes != re->end - re->start)) return false;
    bool apart = re->target + bytes <= re->start || re->end <= re->target;
    return !fixed || ((re->target & TPI_PAGE_MASK) == 0 && apart);
}

/* Moves [from, from+size), of which `piece` tells the tier, to its place in the target. */
static bool tpi_carry(const struct tpi_remapping *re, uintptr_t from, uintptr_t to_end, unsigned tier,
                      bool back) {
    uintptr_t there = re->target + (from - re->start);
    size_t size = to_end - from;
    return back ? tp_place_carry((void *)there, size, (void *)from, tier)
                : tp_place_carry((void *)from, size, (void *)there, tier);
}

/* All pieces and what lies between them, up to `limit`; the address where it failed, or `limit`. */
static uintptr_t tpi_carry_all(const struct tpi_remapping *re, uintptr_t limit, bool back) {
    uintptr_t at = re->start;
    for (unsigned i = 0; at < limit; i++) {
        const struct tp_map *piece = i < re->pieces.n_pieces ? &re->pieces.pieces[i] : NULL;
        uintptr_t gap_end = piece != NULL ? piece->start : re->start + re->keep_bytes;
        if (at < gap_end && at < limit && !tpi_carry(re, at, gap_end, 0, back)) return at;
        at = at < gap_end ? gap_end : at;
        if (piece == NULL || at >= limit) continue;
        if (!tpi_carry(re, piece->start, piece->end, piece->tier, back)) return at;
        at = piece->end;
    }
    return at;
}

/* The tracked pieces are where they are now; each begins anew in the records. */
static void tpi_settle(tp_guard *guard, struct tpi_remapping *re) {
    const struct tp_map gone = {.start = re->start, .end = re->end, .site = TP_SITE_NONE};
    tpi_map_record(guard, TP_UNMAP, &gone, tp_now_ns(), 0, 0);
    for (unsigned i = 0; i < re->pieces.n_pieces; i++) {
        struct tp_map map = re->pieces.pieces[i];
        map.start += re->target - re->start;
        map.end += re->target - re->start;
        if (!tp_maps_add(guard, &map)) continue;
        tp_engine_claim(map.start, map.end - map.start, map.site);
        tpi_map_record(guard, TP_MAP, &map, tp_now_ns(), map.file ? TP_FLAG_FILE : 0, 0);
    }
}

/* What the range has grown by belongs to the last object in it, and goes to its tier if there is room. */
static void tpi_adopt_growth(tp_guard *guard, const struct tpi_remapping *re) {
    if (re->grow_bytes == 0 || re->pieces.n_pieces == 0) return;
    struct tp_map map = re->pieces.pieces[re->pieces.n_pieces - 1];
    unsigned wanted = map.tier;
    map.start = re->target + re->keep_bytes;
    map.end = map.start + re->grow_bytes;
    if (map.placed)
        map.tier = (uint8_t)tp_place_map(wanted, (void *)map.start, re->grow_bytes,
                                         re->prot == (PROT_READ | PROT_WRITE));
    if (!tp_maps_add(guard, &map)) return;
    tp_engine_claim(map.start, re->grow_bytes, map.site);
    tpi_map_record(guard, TP_MAP, &map, tp_now_ns(), map.tier != wanted ? TP_FLAG_SPILL : 0, 0);
}

/* Fresh private memory behind the range; false: something is there already. */
static bool tpi_grow_in_place(const struct tpi_remapping *re) {
    void *behind = (void *)re->end;
    void *mapped = tp_raw_mmap(behind, re->grow_bytes, re->prot,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (mapped == behind) return true;
    if (mapped != MAP_FAILED)
        tp_raw_munmap(mapped, re->grow_bytes); /* a kernel that does not know the flag */
    return false;
}

/* To re->target, where room has been made. */
static void *tpi_carry_over(tp_guard *guard, struct tpi_remapping *re) {
    void *growth = (void *)(re->target + re->keep_bytes);
    uintptr_t end = re->start + re->keep_bytes, reached = tpi_carry_all(re, end, false);
    bool done = reached == end;
    if (done && re->grow_bytes > 0)
        done = tp_raw_mmap(growth, re->grow_bytes, re->prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                           0) != MAP_FAILED;
    if (done) return (void *)re->target;
    int error = errno;
    tpi_carry_all(re, reached, true);
    return tpi_refuse(guard, error);
}

static void *tpi_elsewhere(tp_guard *guard, struct tpi_remapping *re, bool fixed) {
    size_t bytes = re->keep_bytes + re->grow_bytes;
    struct tpi_ending replaced;
    if (fixed) {
        tpi_begin_ending(guard, re->target, re->target + bytes, &replaced);
        tpi_finish_ending(guard, &replaced);
    }
    void *room = tp_raw_mmap((void *)re->target, bytes, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (fixed ? MAP_FIXED : 0), -1, 0);
    if (room == MAP_FAILED) return tpi_refuse(guard, errno);
    re->target = (uintptr_t)room;
    tp_maps_remove(guard, re->start, re->start + re->keep_bytes, &re->pieces);
    tp_busy_settle(re->start, re->keep_bytes);
    bool too_many = re->pieces.n_pieces == TP_MAP_PIECES; /* there may be more, of which nothing is known */
    void *mapped = too_many ? tpi_refuse(guard, ENOMEM) : tpi_carry_over(guard, re);
    if (mapped == MAP_FAILED) {
        for (unsigned i = 0; i < re->pieces.n_pieces; i++)
            tp_maps_add(guard, &re->pieces.pieces[i]);
        tp_raw_munmap(room, bytes);
        return mapped;
    }
    tpi_settle(guard, re);
    tpi_adopt_growth(guard, re);
    return mapped;
}

static void *tpi_in_place(tp_guard *guard, struct tpi_remapping *re) {
    struct tp_map last;
    re->target = re->start;
    if (tp_maps_next(guard, re->end - 1, &last) && last.start < re->end) {
        re->pieces.n_pieces = 1;
        re->pieces.pieces[0] = last;
    }
    tpi_adopt_growth(guard, re);
    return (void *)re->start;
}

/* With MREMAP_DONTUNMAP the old range stays, and is empty. */
static void tpi_leave_empty(const struct tpi_remapping *re) {
    tp_raw_mmap((void *)re->start, re->keep_bytes, re->prot,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

void *tpi_remap(tp_guard *guard, void *old, size_t old_size, size_t size, int flags, void *to) {
    struct tpi_mapping mapping;
    struct tpi_remapping re = {.start = (uintptr_t)old, .end = tpi_page_end((uintptr_t)old + old_size)};
    size_t bytes = tpi_page_end(size), old_bytes = re.end - re.start;
    bool fixed = (flags & MREMAP_FIXED) != 0, stays = (flags & MREMAP_DONTUNMAP) != 0;
    re.target = fixed ? (uintptr_t)to : 0;
    if (!tpi_valid(&re, old_size, bytes, flags)) return tpi_refuse(guard, EINVAL);
    if (!tpi_mapping_of(re.end - 1, &mapping)) return tpi_refuse(guard, EFAULT);
    re.prot = mapping.prot;
    re.keep_bytes = bytes < old_bytes ? bytes : old_bytes;
    re.grow_bytes = bytes - re.keep_bytes;
    if (bytes < old_bytes) {
        if (tpi_munmap(guard, (char *)old + bytes, old_bytes - bytes) != 0) return MAP_FAILED;
        re.end = re.start + bytes;
    }
    if (!fixed && !stays && (re.grow_bytes == 0 || tpi_grow_in_place(&re))) return tpi_in_place(guard, &re);
    if ((flags & MREMAP_MAYMOVE) == 0) return tpi_refuse(guard, ENOMEM);
    void *mapped = tpi_elsewhere(guard, &re, fixed);
    if (mapped != MAP_FAILED && stays) tpi_leave_empty(&re);
    return mapped;
}
