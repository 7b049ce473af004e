/* ranges.c - see ranges.h. */
#include "ranges.h"

#include "pages.h"

/* The parts of one site lie side by side in the plan; their number is the first one's, counted from 1. */
struct tpi_ranges tpi_ranges_of(unsigned parts, unsigned own, size_t size) {
    const struct tpi_plan *plan = tpi_current_plan();
    const struct tp_plan_part *first = &plan->parts[parts - 1], *end = first + 1,
                              *last = plan->parts + plan->header->n_parts;
    while (end < last && end->key_hi == first->key_hi && end->key_lo == first->key_lo)
        end++;
    return (struct tpi_ranges){
        .part = first, .parts_end = end, .own = tpi_tier_at(own), .size = tpi_round_up(size, TPI_PAGE_BYTES)};
}

size_t tpi_range_page_bytes(const struct tpi_tier *tier) {
    if (tier->plan->kind == TP_TIER_HUGE) return TPI_HUGE_BYTES;
    return tier->granule_bytes;
}

/* The tier at an offset that is never below the last one, and where the plan has another. */
static struct tpi_tier *tpi_planned(struct tpi_ranges *ranges, size_t at, size_t *end) {
    while (ranges->part < ranges->parts_end && ranges->part->end <= at)
        ranges->part++;
    bool any = ranges->part < ranges->parts_end, inside = any && ranges->part->start <= at;
    uint64_t next = inside ? ranges->part->end : any ? ranges->part->start : UINT64_MAX;
    *end = next < ranges->size ? next : ranges->size;
    return inside ? tpi_tier_at(ranges->part->tier) : ranges->own;
}

/* Parts of one tier that touch are one range. */
static struct tpi_tier *tpi_planned_run(struct tpi_ranges *ranges, size_t at, size_t *end) {
    struct tpi_tier *tier = tpi_planned(ranges, at, end);
    while (*end < ranges->size) {
        size_t next_end;
        if (tpi_planned(ranges, *end, &next_end) != tier) break;
        *end = next_end;
    }
    return tier;
}

static size_t tpi_boundary(struct tpi_ranges *ranges, const struct tpi_tier *left, size_t planned) {
    size_t ignored;
    if (planned >= ranges->size) return ranges->size;
    size_t page = tpi_range_page_bytes(left),
           right_page = tpi_range_page_bytes(tpi_planned(ranges, planned, &ignored));
    if (right_page > page) page = right_page;
    size_t boundary = (planned + page / 2) & ~(page - 1);
    ranges->moved |= boundary != planned;
    return boundary < ranges->size ? boundary : ranges->size;
}

bool tpi_ranges_next(struct tpi_ranges *ranges, struct tpi_range *range) {
    while (ranges->planned < ranges->size) {
        struct tpi_tier *tier = tpi_planned_run(ranges, ranges->planned, &ranges->planned);
        size_t start = ranges->at, end = tpi_boundary(ranges, tier, ranges->planned);
        if (end <= start) continue; /* less than half a page of it */
        ranges->at = end;
        *range = (struct tpi_range){start, end, tier};
        return true;
    }
    return false;
}
