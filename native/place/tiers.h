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

#endif
