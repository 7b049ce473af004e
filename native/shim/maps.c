/* maps.c - a sorted array under one lock: programs map rarely, and the system call costs more than the move.
 */
#include "maps.h"

#include <string.h>

#include "../common/check.h"
#include "../common/rawio.h"
#include "busy.h"

enum { TPI_FIRST_CAPACITY = 512 };

static tp_lock tpi_lock = TP_LOCK_INIT;
static struct tp_map *tpi_maps;
static size_t tpi_count, tpi_capacity;

/* Index of the first range that ends behind `address`. */
static size_t tpi_first_behind(uintptr_t address) {
    size_t low = 0, high = tpi_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tpi_maps[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool tpi_reserve_one(void) {
    if (tpi_count < tpi_capacity) return true;
    size_t capacity = tpi_capacity == 0 ? TPI_FIRST_CAPACITY : 2 * tpi_capacity;
    struct tp_map *maps = tp_raw_pages(capacity * sizeof *maps);
    if (maps == NULL) return false;
    if (tpi_count > 0) memcpy(maps, tpi_maps, tpi_count * sizeof *maps);
    if (tpi_maps != NULL) tp_raw_munmap(tpi_maps, tpi_capacity * sizeof *maps);
    tpi_maps = maps;
    tpi_capacity = capacity;
    return true;
}

/* Are the ranges around `at` in order and apart? */
static bool tpi_in_order(size_t at) {
    bool proper = tpi_maps[at].start < tpi_maps[at].end;
    bool after = at == 0 || tpi_maps[at - 1].end <= tpi_maps[at].start;
    return proper && after && (at + 1 == tpi_count || tpi_maps[at].end <= tpi_maps[at + 1].start);
}

static void tpi_insert(size_t at, const struct tp_map *map) {
    memmove(&tpi_maps[at + 1], &tpi_maps[at], (tpi_count - at) * sizeof *map);
    tpi_maps[at] = *map;
    tpi_count++;
    TP_CHECK(tpi_in_order(at));
}

bool tp_maps_add(tp_guard *guard, const struct tp_map *map) {
    tp_guard_lock(guard, &tpi_lock);
    bool added = tpi_reserve_one();
    size_t at = tpi_first_behind(map->start);
    added = added && (at == tpi_count || tpi_maps[at].start >= map->end);
    if (added) tpi_insert(at, map);
    tp_guard_unlock(guard, &tpi_lock);
    return added;
}

static void tpi_keep(struct tp_map_pieces *removed, struct tp_map piece, uintptr_t start, uintptr_t end) {
    piece.start = start;
    piece.end = end;
    removed->pieces[removed->n_pieces++] = piece;
}

void tp_maps_remove(tp_guard *guard, uintptr_t start, uintptr_t end, struct tp_map_pieces *removed) {
    removed->n_pieces = 0;
    tp_guard_lock(guard, &tpi_lock);
    size_t first = tpi_first_behind(start), last = first;
    for (; last < tpi_count && tpi_maps[last].start < end && removed->n_pieces < TP_MAP_PIECES; last++) {
        const struct tp_map *map = &tpi_maps[last];
        tpi_keep(removed, *map, map->start > start ? map->start : start, map->end < end ? map->end : end);
    }
    if (last > first) {
        struct tp_map head = tpi_maps[first], tail = tpi_maps[last - 1];
        memmove(&tpi_maps[first], &tpi_maps[last], (tpi_count - last) * sizeof head);
        tpi_count -= last - first;
        /* At most one range more than before: a hole in the middle of one. Without memory its upper part is
         * lost. */
        if (tail.end > end && tpi_reserve_one()) {
            tail.start = end;
            tpi_insert(first, &tail);
        }
        if (head.start < start && tpi_reserve_one()) {
            head.end = start;
            tpi_insert(first, &head);
        }
    }
    tp_guard_unlock(guard, &tpi_lock);
}

bool tp_maps_next(tp_guard *guard, uintptr_t address, struct tp_map *map) {
    tp_guard_lock(guard, &tpi_lock);
    size_t at = tpi_first_behind(address);
    bool found = at < tpi_count;
    if (found) *map = tpi_maps[at];
    tp_guard_unlock(guard, &tpi_lock);
    return found;
}

/* The range of the site that all of [start, end) lies in; NULL: there is none. */
static struct tp_map *tpi_around(uint32_t site, uintptr_t start, uintptr_t end) {
    size_t at = tpi_first_behind(start);
    if (at == tpi_count) return NULL;
    struct tp_map *map = &tpi_maps[at];
    return map->start <= start && map->end >= end && map->site == site && map->placed ? map : NULL;
}

bool tp_maps_hold(tp_guard *guard, uint32_t site, uintptr_t start, uintptr_t end) {
    tp_guard_lock(guard, &tpi_lock);
    bool there = tpi_around(site, start, end) != NULL;
    if (there) tp_busy_mark(start, end);
    tp_guard_unlock(guard, &tpi_lock);
    return there;
}

/* Makes two ranges of the one at `at`. False: without memory. */
static bool tpi_split(size_t at, uintptr_t address) {
    if (!tpi_reserve_one()) return false;
    struct tp_map tail = tpi_maps[at];
    tail.start = address;
    tpi_maps[at].end = address;
    tpi_insert(at + 1, &tail);
    return true;
}

static void tpi_join(size_t at) {
    if (at + 1 >= tpi_count) return;
    struct tp_map *map = &tpi_maps[at];
    if (map->end != map[1].start || map->site != map[1].site || map->tier != map[1].tier ||
        map->file != map[1].file || map->placed != map[1].placed)
        return;
    map->end = map[1].end;
    memmove(&map[1], &map[2], (tpi_count - at - 2) * sizeof *map);
    tpi_count--;
}

void tp_maps_set_tier(tp_guard *guard, uint32_t site, uintptr_t start, uintptr_t end, unsigned tier) {
    tp_guard_lock(guard, &tpi_lock);
    const struct tp_map *map = tpi_around(site, start, end);
    size_t at = map != NULL ? (size_t)(map - tpi_maps) : 0;
    bool cut = map != NULL && (tpi_maps[at].end == end || tpi_split(at, end));
    if (cut && tpi_maps[at].start < start) {
        cut = tpi_split(at, start);
        at++;
    }
    if (cut) {
        tpi_maps[at].tier = (uint8_t)tier;
        tpi_join(at);
        if (at > 0) tpi_join(at - 1);
    }
    tp_guard_unlock(guard, &tpi_lock);
}

void tp_maps_fork_prepare(tp_guard *guard) {
    tp_guard_lock(guard, &tpi_lock);
}
void tp_maps_fork_parent(tp_guard *guard) {
    tp_guard_unlock(guard, &tpi_lock);
}
void tp_maps_fork_child(void) {
    tp_lock_renew(&tpi_lock);
}
