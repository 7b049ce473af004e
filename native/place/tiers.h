/* tiers.h - the tiers of this process's plan, for the other parts of placement. */
#ifndef TP_TIERS_H
#define TP_TIERS_H

#include "plan.h"
#include "tier.h"

/* NULL: there is none. */
const struct tpi_plan *tpi_current_plan(void);

/* NULL: there is no plan, or it has no such tier. */
static inline struct tpi_tier *tpi_known_tier(unsigned index) {
    const struct tpi_plan *plan = tpi_current_plan();
    return plan != NULL && index < plan->header->n_tiers ? tpi_tier_at(index) : NULL;
}

/* The tier that takes over `size` bytes from one that has no room; NULL: the system's, whatever its capacity.
 */
static inline struct tpi_tier *tpi_tier_spill(struct tpi_tier *tier, size_t size) {
    tpi_tier_count_spill(tier, size);
    return tier->plan->spill == TP_TIER_NONE ? NULL : tpi_tier_at(tier->plan->spill);
}

/* Is there only the system's memory behind it, whatever its capacity? */
static inline bool tpi_tier_is_last(const struct tpi_tier *tier) {
    return tier == NULL || (tier->index == 0 && tier->plan->spill == TP_TIER_NONE);
}

#define TPI_LARGEST ((size_t)1 << 46) /* what no machine has; keeps sums of sizes from wrapping round */

/* An object of so many bytes has been handed out: see tp_place_largest. */
void tpi_note_largest(size_t size);

#endif
