/* release.c - what becomes of a placed object's pages: at its end they go back to their tiers, but for those
 * that the program has torn out of it. Moves may have taken parts of it to several: the pagemap knows.
 */
#include "../shim/busy.h"
#include "../shim/pagemap.h"
#include "memkind.h"
#include "pages.h"
#include "place.h"
#include "tiers.h"
#include "torn.h"

struct tpi_object {
    uintptr_t start;
    size_t size; /* as the program asked for it */
};

/* Bytes of [start, end) that belong to the object's size. */
static size_t tpi_bytes(const struct tpi_object *object, uintptr_t start, uintptr_t end) {
    uintptr_t last = object->start + object->size;
    return (end < last ? end : last) - start;
}

/* Where the pages from `at` on end that are in one tier. */
static uintptr_t tpi_run_end(uintptr_t at, uintptr_t end, unsigned index) {
    while (at < end && tp_pagemap_tier(at) == index)
        at += TPI_PAGE_BYTES;
    return at;
}

static void tpi_release(const struct tpi_object *object, uintptr_t start, uintptr_t end) {
    for (uintptr_t at = start, next; at < end; at = next) {
        struct tpi_tier *tier = tpi_tier_at(tp_pagemap_tier(at));
        next = tpi_run_end(at, end, tier->index);
        if (tier->index != 0)
            tp_pagemap_set_tier(at, next - at, 0); /* before another thread can get the pages */
        tpi_tier_give(tier, (void *)at, next - at);
        tpi_tier_unreserve(tier, tpi_bytes(object, at, next));
    }
}

/* The torn parts were counted with the system's memory until now. */
static void tpi_release_torn(const struct tpi_object *object, uintptr_t end) {
    uintptr_t at = object->start, start, torn_end;
    while (at < end && tpi_torn_next(object->start, at, &start, &torn_end)) {
        if (torn_end > end) torn_end = end;
        if (start > at) tpi_release(object, at, start);
        tpi_tier_unreserve(tpi_tier_at(0), tpi_bytes(object, start, torn_end));
        at = torn_end;
    }
    if (at < end) tpi_release(object, at, end);
    tpi_torn_drop(object->start);
}

void tp_place_release(void *address, size_t size, unsigned index) {
    const struct tpi_object object = {(uintptr_t)address, size};
    uintptr_t end = object.start + tpi_round_up(size, TPI_PAGE_BYTES);
    tp_busy_settle(object.start, end - object.start);
    if (tpi_torn_any(object.start))
        tpi_release_torn(&object, end);
    else
        tpi_release(&object, object.start, end);
}

/* [start, end) is nobody's yet; its bytes go over to the system's tier. */
static void tpi_tear(const struct tpi_object *object, uintptr_t start, uintptr_t end) {
    tpi_torn_add(object->start, start, end);
    tp_busy_settle(start, end - start);
    for (uintptr_t at = start, next; at < end; at = next) {
        struct tpi_tier *tier = tpi_tier_at(tp_pagemap_tier(at));
        next = tpi_run_end(at, end, tier->index);
        if (tier->index == 0) continue;
        tp_pagemap_set_tier(at, next - at, 0);
        tpi_tier_reserve_any(tpi_tier_at(0), tpi_bytes(object, at, next));
        tpi_tier_unreserve(tier, tpi_bytes(object, at, next));
    }
}

/* Of an object that another allocator gave nothing can be left to it but all or nothing: so all goes over.
 * And in a tier of huge pages nothing can be mapped over a part of one. */
static void tpi_leave_shared_memory(const struct tpi_object *object, struct tpi_tier *tier, uintptr_t *start,
                                    uintptr_t *end) {
    bool library = tpi_tier_owned_by_library(tier, (void *)object->start), huge = false;
    if (library) {
        *start = object->start;
        *end = object->start + tpi_round_up(object->size, TPI_PAGE_BYTES);
        tpi_memkind_forget(tier, (void *)object->start);
    }
    for (uintptr_t at = *start; at < *end && !huge; at = tp_pagemap_tier_end(at, *end))
        huge = tpi_tier_at(tp_pagemap_tier(at))->granule_bytes > TPI_PAGE_BYTES;
    if (library || huge) tp_place_make_private((void *)*start, *end - *start);
}

void tp_place_tear(void *address, size_t size, uintptr_t start, uintptr_t end) {
    const struct tpi_object object = {(uintptr_t)address, size};
    uintptr_t torn_start, torn_end;
    tpi_leave_shared_memory(&object, tpi_tier_at(tp_pagemap_tier(start)), &start, &end);
    while (start < end) {
        if (!tpi_torn_next(object.start, start, &torn_start, &torn_end)) torn_start = torn_end = end;
        if (torn_start > end) torn_start = end;
        if (torn_start > start) tpi_tear(&object, start, torn_start);
        start = torn_end;
    }
}
