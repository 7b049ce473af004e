/* movables.c - asks the three tables in turn. */
#include "movables.h"

#include "busy.h"

static bool tpi_next_object(tp_guard *guard, struct tp_owners_cursor *cursor, uint32_t site,
                            struct tp_movable *piece) {
    struct tp_owner owner;
    while (tp_owners_next(guard, cursor, &owner)) {
        if (owner.site != site || owner.kind == TP_OWNER_SMALL) continue;
        enum tp_movable_kind kind = owner.kind == TP_OWNER_PLACED ? TP_MOVABLE_OBJECT : TP_MOVABLE_NOT;
        *piece = (struct tp_movable){kind, owner.address, owner.size, site};
        return true;
    }
    return false;
}

static bool tpi_next_map(tp_guard *guard, uintptr_t *mapped_to, uint32_t site, struct tp_movable *piece) {
    struct tp_map map;
    while (tp_maps_next(guard, *mapped_to, &map)) {
        *mapped_to = map.end;
        if (map.site != site || !map.placed) continue;
        *piece = (struct tp_movable){TP_MOVABLE_MAP, map.start, map.end - map.start, site};
        return true;
    }
    return false;
}

static bool tpi_next_slabs(tp_guard *guard, struct tp_slabs_cursor *cursor, uint32_t site,
                           struct tp_movable *piece) {
    struct tp_slab_range range;
    while (tp_slabs_next(guard, cursor, &range)) {
        if (range.site != site) continue;
        *piece = (struct tp_movable){TP_MOVABLE_SLABS, range.address, range.size, site};
        return true;
    }
    return false;
}

bool tp_movables_next(tp_guard *guard, struct tp_movables_cursor *cursor, uint32_t site,
                      struct tp_movable *piece) {
    switch (cursor->stage) {
    case TP_MOVABLE_OBJECT:
        if (tpi_next_object(guard, &cursor->owners, site, piece)) return true;
        cursor->stage = TP_MOVABLE_MAP;
        /* fall through */
    case TP_MOVABLE_MAP:
        if (tpi_next_map(guard, &cursor->mapped_to, site, piece)) return true;
        cursor->stage = TP_MOVABLE_SLABS;
        /* fall through */
    case TP_MOVABLE_SLABS:
        if (tpi_next_slabs(guard, &cursor->slabs, site, piece)) return true;
        cursor->stage = TP_MOVABLE_NOT;
        /* fall through */
    case TP_MOVABLE_NOT:
        break;
    }
    return false;
}

bool tp_movable_hold(tp_guard *guard, const struct tp_movable *piece, uintptr_t start, uintptr_t end) {
    const struct tp_owner owner = {.address = piece->start, .size = piece->size, .site = piece->site};
    switch (piece->kind) {
    case TP_MOVABLE_OBJECT:
        return tp_owners_hold(guard, &owner, start, end);
    case TP_MOVABLE_MAP:
        return tp_maps_hold(guard, piece->site, start, end);
    case TP_MOVABLE_SLABS: /* a pinned chunk is not given back, so that nobody waits for it */
        return tp_slabs_pin(guard, piece->start);
    case TP_MOVABLE_NOT:
        break;
    }
    return false;
}

void tp_movable_set_tier(tp_guard *guard, const struct tp_movable *piece, uintptr_t start, uintptr_t end,
                         unsigned tier, bool whole) {
    if (piece->kind == TP_MOVABLE_MAP) tp_maps_set_tier(guard, piece->site, start, end, tier);
    if (piece->kind == TP_MOVABLE_OBJECT && whole) tp_owners_set_tier(guard, piece->start, piece->site, tier);
    if (piece->kind == TP_MOVABLE_SLABS && whole) tp_slabs_set_tier(guard, piece->start, tier);
}

void tp_movable_drop(tp_guard *guard, const struct tp_movable *piece) {
    if (piece->kind == TP_MOVABLE_SLABS) tp_slabs_unpin(guard, piece->start);
    tp_busy_clear();
}
