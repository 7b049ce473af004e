/* plan.c - reads the binary plan. Everything is checked once, here, so that nobody else need doubt it. */
#include "plan.h"

#include <string.h>

#include "../common/records.h"
#include "mapfile.h"

_Static_assert(sizeof(struct tp_plan_header) == 40, "the plan's layout is shared with placer/binary.py");
_Static_assert(sizeof(struct tp_plan_tier) == 408, "the plan's layout is shared with placer/binary.py");
_Static_assert(sizeof(struct tp_plan_site) == 24, "the plan's layout is shared with placer/binary.py");
_Static_assert(sizeof(struct tp_plan_move) == 48, "the plan's layout is shared with placer/binary.py");
_Static_assert(sizeof(struct tp_plan_part) == 40, "the plan's layout is shared with placer/binary.py");
_Static_assert(sizeof(struct tp_stem) == 32, "the plan's layout is shared with placer/binary.py");

#define TPI_PART_BYTES 4096u /* a part's ends are multiples of it */
#define TPI_STEMS_VERSION 4u

static int tpi_compare(const struct tp_plan_site *site, uint64_t key_hi, uint64_t key_lo) {
    if (site->key_hi != key_hi) return site->key_hi < key_hi ? -1 : 1;
    if (site->key_lo != key_lo) return site->key_lo < key_lo ? -1 : 1;
    return 0;
}

/* Every spill chain must end: n_tiers steps are enough for any that does. */
static bool tpi_spill_ends(const struct tp_plan_tier *tiers, uint32_t n_tiers, uint32_t tier) {
    for (uint32_t step = 0; step <= n_tiers; step++) {
        if (tiers[tier].spill == TP_TIER_NONE) return true;
        tier = tiers[tier].spill;
    }
    return false;
}

static const char *tpi_check_tiers(const struct tp_plan_header *header, const struct tp_plan_tier *tiers) {
    if (tiers[0].kind != TP_TIER_SYSTEM) return "its first tier is not the system's";
    for (uint32_t i = 0; i < header->n_tiers; i++) {
        if (tiers[i].kind >= TP_TIER_KINDS || (i > 0 && tiers[i].kind == TP_TIER_SYSTEM))
            return "a tier's kind is unknown";
        if (tiers[i].spill != TP_TIER_NONE && tiers[i].spill >= header->n_tiers)
            return "a tier spills nowhere";
        if (memchr(tiers[i].folder, 0, sizeof tiers[i].folder) == NULL) return "a folder's name does not end";
        if (memchr(tiers[i].name, 0, sizeof tiers[i].name) == NULL) return "a tier's name does not end";
        if (!(tiers[i].delay_ratio >= 0 && tiers[i].delay_ratio <= 100)) return "a delay is out of range";
        if (!(tiers[i].bytes_per_s >= 0)) return "a bandwidth is out of range";
    }
    for (uint32_t i = 0; i < header->n_tiers; i++)
        if (!tpi_spill_ends(tiers, header->n_tiers, i)) return "its tiers spill in a circle";
    return NULL;
}

static const char *tpi_check_sites(const struct tp_plan_header *header, const struct tp_plan_site *sites) {
    for (uint32_t i = 0; i < header->n_sites; i++) {
        if (sites[i].tier >= header->n_tiers) return "a site's tier is not among its tiers";
        if (i > 0 && tpi_compare(&sites[i - 1], sites[i].key_hi, sites[i].key_lo) >= 0)
            return "its sites are not sorted";
    }
    return NULL;
}

static const char *tpi_check_moves(const struct tp_plan_header *header, const struct tp_plan_move *moves) {
    for (uint32_t i = 0; i < header->n_moves; i++) {
        if (moves[i].tier >= header->n_tiers) return "a move's tier is not among its tiers";
        if (moves[i].when > TP_MOVE_AT_ALLOCATION) return "a move's moment is of an unknown kind";
    }
    return NULL;
}

static int tpi_compare_part(const struct tp_plan_part *part, uint64_t key_hi, uint64_t key_lo) {
    const struct tp_plan_site key = {.key_hi = part->key_hi, .key_lo = part->key_lo};
    return tpi_compare(&key, key_hi, key_lo);
}

static const char *tpi_check_parts(const struct tp_plan_header *header, const struct tp_plan_part *parts) {
    if (header->n_parts > TP_PLAN_PARTS) return "it has too many parts";
    for (uint32_t i = 0; i < header->n_parts; i++) {
        const struct tp_plan_part *part = &parts[i];
        if (part->tier >= header->n_tiers) return "a part's tier is not among its tiers";
        bool whole_pages =
            part->start % TPI_PART_BYTES == 0 && (part->end % TPI_PART_BYTES == 0 || part->end == UINT64_MAX);
        if (!whole_pages || part->start >= part->end) return "a part has no pages";
        int order = i > 0 ? tpi_compare_part(&parts[i - 1], part->key_hi, part->key_lo) : -1;
        if (order > 0 || (order == 0 && parts[i - 1].end > part->start)) return "its parts are not sorted";
    }
    return NULL;
}

const char *tpi_plan_open(struct tpi_plan *plan, const char *path) {
    size_t size = 0;
    const struct tp_plan_header *header = tpi_mapfile(path, &size);
    if (header == NULL) return "the plan cannot be read";
    if (size < sizeof *header || memcmp(header->magic, TP_PLAN_MAGIC, sizeof header->magic) != 0)
        return "it is not a plan";
    if (header->version < TP_PLAN_OLDEST_VERSION || header->version > TP_PLAN_VERSION)
        return "the plan is of another version";
    if (header->n_tiers == 0 || header->n_tiers > TP_MAX_TIERS)
        return "the plan has too few or too many tiers";
    const struct tp_plan_tier *tiers = (const void *)(header + 1);
    const struct tp_plan_site *sites = (const void *)(tiers + header->n_tiers);
    const struct tp_plan_move *moves = (const void *)(sites + header->n_sites);
    const struct tp_plan_part *parts = (const void *)(moves + header->n_moves);
    const struct tp_stem *stems = (const void *)(parts + header->n_parts);
    size_t n_stems = header->version >= TPI_STEMS_VERSION ? header->n_sites : 0;
    if (size != sizeof *header + header->n_tiers * sizeof *tiers + header->n_sites * sizeof *sites +
                    header->n_moves * sizeof *moves + header->n_parts * sizeof *parts +
                    n_stems * sizeof *stems)
        return "the plan is cut short";
    if (header->default_tier >= header->n_tiers) return "the default tier is not among its tiers";
    const char *why = tpi_check_tiers(header, tiers);
    if (why == NULL) why = tpi_check_sites(header, sites);
    if (why == NULL) why = tpi_check_moves(header, moves);
    if (why == NULL) why = tpi_check_parts(header, parts);
    if (why == NULL)
        *plan = (struct tpi_plan){header, tiers, sites, moves, parts, n_stems > 0 ? stems : NULL};
    return why;
}

/* NULL: the plan does not name the site. */
static const struct tp_plan_site *tpi_find(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo) {
    size_t low = 0, high = plan->header->n_sites;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = tpi_compare(&plan->sites[middle], key_hi, key_lo);
        if (order == 0) return &plan->sites[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

unsigned tpi_plan_tier_of(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo, bool *named) {
    const struct tp_plan_site *site = tpi_find(plan, key_hi, key_lo);
    *named = site != NULL;
    return site != NULL ? site->tier : plan->header->default_tier;
}

unsigned tpi_plan_parts_of(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo, unsigned *first) {
    unsigned low = 0, high = plan->header->n_parts, count = 0;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (tpi_compare_part(&plan->parts[middle], key_hi, key_lo) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (low + count < plan->header->n_parts &&
           tpi_compare_part(&plan->parts[low + count], key_hi, key_lo) == 0)
        count++;
    return count;
}

bool tpi_plan_moves(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo) {
    for (uint32_t i = 0; i < plan->header->n_moves; i++)
        if (plan->moves[i].key_hi == key_hi && plan->moves[i].key_lo == key_lo) return true;
    return false;
}

bool tpi_plan_places_small(const struct tpi_plan *plan) {
    for (uint32_t i = 0; i < plan->header->n_sites; i++)
        if ((plan->sites[i].flags & TP_PLAN_SITE_SMALL) != 0) return true;
    return false;
}

const struct tp_stem *tpi_plan_next_stem(const struct tpi_plan *plan, uint32_t *index) {
    static const struct tp_stem unknown;
    while (*index < plan->header->n_sites) {
        uint32_t i = (*index)++;
        if ((plan->sites[i].flags & TP_PLAN_SITE_SMALL) != 0)
            return plan->stems != NULL ? &plan->stems[i] : &unknown;
    }
    return NULL;
}

bool tpi_plan_is_small(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo) {
    const struct tp_plan_site *site = tpi_find(plan, key_hi, key_lo);
    return site != NULL && (site->flags & TP_PLAN_SITE_SMALL) != 0;
}
