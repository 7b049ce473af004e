/* parts.c - see parts.h. The pagemap knows which range came to be in which tier. */
#include "parts.h"

#include "../common/records.h"
#include "../place/place.h"
#include "process.h"
#include "stream.h"

struct tp_site tpi_parts_cut(struct tp_site site, size_t size) {
    unsigned tier = site.tier;
    if (tp_place_splits(site.parts, size, &tier)) return site;
    site.parts = 0;
    site.tier = (uint8_t)tier;
    return site;
}

bool tp_parts_add_map(tp_guard *guard, const struct tp_map *map) {
    struct tp_map piece = *map;
    bool added = true;
    for (; added && piece.start < map->end; piece.start = piece.end) {
        piece.tier = (uint8_t)tp_pagemap_tier(piece.start);
        piece.end = tp_pagemap_tier_end(piece.start, map->end);
        added = tp_maps_add(guard, &piece);
    }
    return added;
}

void tp_parts_record(tp_guard *guard, const struct tp_owner *owner, uint64_t time_ns) {
    uintptr_t end = owner->address + owner->size;
    if (!tp_process_records()) return;
    for (uintptr_t at = owner->address, next; at < end; at = next) {
        unsigned tier = tp_pagemap_tier(at);
        next = tp_pagemap_tier_end(at, end);
        if (tier == owner->tier) continue;
        tp_stream_write(guard, &(struct tp_record){.time_ns = time_ns,
                                                   .address = at,
                                                   .size = next - at,
                                                   .site = owner->site,
                                                   .type = TP_MOVE,
                                                   .tier = (uint8_t)tier,
                                                   .flags = TP_FLAG_BORN});
    }
}
