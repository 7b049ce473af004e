/* track_tear.c - finds objects by a page in their middle, by the pagemap: back to the nearest page that one
 * starts in, but no further than the largest one reaches.
 */
#include "track_tear.h"

#include <string.h>

#include "../place/place.h"
#include "owners.h"
#include "pagemap.h"
#include "track_map.h"

#define TPI_PAGE_BYTES ((uintptr_t)1 << TPI_PAGE_SHIFT)
#define TPI_LEAF_PAGES ((uintptr_t)1 << TPI_LEAF_SHIFT)
#define TPI_LEAF_BYTES (TPI_LEAF_PAGES << TPI_PAGE_SHIFT)
#define TPI_STARTS_OF_8 (0x0101010101010101ull * TPI_STARTS_MASK)

/* Do 8 pages, of which the first is a multiple of 8, hold no start? */
static bool tpi_eight_are_empty(const uint8_t *leaf, uintptr_t first_page) {
    uint64_t bytes;
    memcpy(&bytes, &leaf[(first_page >> TPI_PAGE_SHIFT) & (TPI_LEAF_PAGES - 1)], sizeof bytes);
    return (bytes & TPI_STARTS_OF_8) == 0;
}

/* The last page up to `page` that holds a start, or held one; below `limit`: there is none. */
static uintptr_t tpi_start_before(uintptr_t page, uintptr_t limit) {
    while (page >= limit) {
        const uint8_t *leaf = tp_pagemap_leaf(page);
        uintptr_t eight = page & ~(8 * TPI_PAGE_BYTES - 1);
        if (leaf == NULL)
            page = (page & ~(TPI_LEAF_BYTES - 1)) - TPI_PAGE_BYTES;
        else if (page == eight + 7 * TPI_PAGE_BYTES && tpi_eight_are_empty(leaf, eight))
            page = eight - TPI_PAGE_BYTES;
        else if ((tpi_pagemap_byte(leaf, page) & TPI_STARTS_MASK) == 0)
            page -= TPI_PAGE_BYTES;
        else
            return page;
    }
    return 0;
}

/* The placed object that has `page` in it. One that is not placed, and starts nearer, ends the search: pages
 * of objects that are placed are nobody else's. */
static bool tpi_object_over(tp_guard *guard, uintptr_t page, struct tp_owner *owner) {
    size_t largest = tp_place_largest();
    uintptr_t limit = page > largest ? page - largest : TPI_PAGE_BYTES;
    for (uintptr_t at = tpi_start_before(page, limit); at != 0;
         at = tpi_start_before(at - TPI_PAGE_BYTES, limit)) {
        if (!tp_owners_get(guard, at, owner)) continue;
        if (owner->kind == TP_OWNER_PLACED && tpi_page_end(at + owner->size) > page) return true;
        if (owner->kind != TP_OWNER_PLACED) return false;
    }
    return false;
}

static void tpi_tear_part(const struct tp_owner *owner, uintptr_t start, uintptr_t end, bool keeps) {
    uintptr_t object_end = tpi_page_end(owner->address + owner->size);
    if (start < owner->address) start = owner->address;
    if (end > object_end) end = object_end;
    if (keeps) tp_place_make_private((void *)start, end - start);
    tp_place_tear((void *)owner->address, owner->size, start, end);
}

static void tpi_tear_all(tp_guard *guard, uintptr_t start, uintptr_t end, bool keeps) {
    struct tp_owner owner;
    uintptr_t second = start + TPI_PAGE_BYTES;
    if (tpi_object_over(guard, start, &owner)) tpi_tear_part(&owner, start, end, keeps);
    for (uintptr_t at = tpi_start_before(end - TPI_PAGE_BYTES, second); at != 0;
         at = tpi_start_before(at - TPI_PAGE_BYTES, second))
        if (tp_owners_get(guard, at, &owner) && owner.kind == TP_OWNER_PLACED)
            tpi_tear_part(&owner, start, end, keeps);
}

/* Are there objects at all, and would the kernel not refuse the range? */
static bool tpi_may_tear(uintptr_t start, uintptr_t end) {
    return tp_place_active() && tp_place_largest() > 0 && start % TPI_PAGE_BYTES == 0 && end > start;
}

void tpi_tear(tp_guard *guard, const void *address, size_t size) {
    uintptr_t start = (uintptr_t)address, end = tpi_page_end(start + size);
    if (tpi_may_tear(start, end)) tpi_tear_all(guard, start, end, false);
}

void tpi_tear_off(tp_guard *guard, const void *address, size_t size) {
    uintptr_t start = (uintptr_t)address, end = tpi_page_end(start + size);
    if (tpi_may_tear(start, end)) tpi_tear_all(guard, start, end, true);
}
