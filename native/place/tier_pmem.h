/* tier_pmem.h - what fork must know of the file-backed tiers. */
#ifndef TP_TIER_PMEM_H
#define TP_TIER_PMEM_H

#include "tier.h"

/* Is this the file of the tier's memkind kind? */
bool tpi_pmem_is_memkinds(const struct tpi_tier *tier, uint64_t device, uint64_t inode);

void tpi_pmem_lock(struct tpi_tier *tier);
void tpi_pmem_unlock(struct tpi_tier *tier);
void tpi_pmem_lock_renew(struct tpi_tier *tier); /* in a forked child */

/* A forked child frees what it has inherited, but its memkind would make the parent's file larger. */
void tpi_pmem_stop_memkind(struct tpi_tier *tier);

#endif
