/* plan.h - the binary plan, mapped read-only: which tiers there are and which site goes where. */
#ifndef TP_PLAN_H
#define TP_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/planfile.h"

struct tpi_plan {
    const struct tp_plan_header *header;
    const struct tp_plan_tier *tiers;
    const struct tp_plan_site *sites; /* sorted by key */
    const struct tp_plan_move *moves;
    const struct tp_plan_part *parts; /* sorted by key and start */
    const struct tp_stem *stems;      /* of the sites; NULL: the plan has none */
};

/* Maps and checks the file. NULL, or in words why there is no plan now. */
const char *tpi_plan_open(struct tpi_plan *plan, const char *path);

/* The tier of a site; the default tier, and *named false, where the plan does not name it. */
unsigned tpi_plan_tier_of(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo, bool *named);

/* Does the plan place small objects of any site, or of this one? */
bool tpi_plan_places_small(const struct tpi_plan *plan);
bool tpi_plan_is_small(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo);

/* The stem of the next site whose small objects are placed, from an index of 0; NULL: there is none left. */
const struct tp_stem *tpi_plan_next_stem(const struct tpi_plan *plan, uint32_t *index);

/* The site's parts: the number of the first of them, and how many; 0: it has none. */
unsigned tpi_plan_parts_of(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo, unsigned *first);

/* Does the plan move the site during the run? */
bool tpi_plan_moves(const struct tpi_plan *plan, uint64_t key_hi, uint64_t key_lo);

#endif
