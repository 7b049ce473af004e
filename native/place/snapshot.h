/* snapshot.h - private copies of the file-backed memory of this process, for a child that is about to be
 * forked.
 *
 * The copies are made in the parent just before fork and put in place in the child: no process waits for
 * another, and nothing can hang if one dies. Peak memory is the live file-backed bytes once more, in DRAM.
 */
#ifndef TP_SNAPSHOT_H
#define TP_SNAPSHOT_H

#include "tier.h"

/* Copies all ranges of all file-backed tiers; false: some could not be copied. */
bool tpi_snapshot_take(struct tpi_tier *tiers, unsigned n_tiers);

/* Child: puts the copies where the shared memory was. */
void tpi_snapshot_install(void);

/* Parent: lets the copies go. */
void tpi_snapshot_discard(void);

#endif
