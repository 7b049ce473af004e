/* bandwidth.h - caps what all threads together move to and from an emulated tier.
 *
 * A token bucket a tier, kept as the moment until which the tier is busy with what was moved already. It
 * fills in real time, holds a few milliseconds, and is shared with forked children, who share the memory's
 * path on real hardware too; a program that is exec'ed has its own.
 */
#ifndef TP_BANDWIDTH_H
#define TP_BANDWIDTH_H

#include <stdbool.h>
#include <stdint.h>

/* A cap for each tier, 0: none. False: there is no memory for the buckets. */
bool tpi_bandwidth_start(const double *bytes_per_s, unsigned n_tiers);

/* Is there one? */
bool tpi_bandwidth_capped(unsigned tier);

/* Counts `bytes` as moved and waits, without sleeping, until the cap allows them. Returns how long. Safe in a
 * signal handler. */
uint64_t tpi_bandwidth_charge(unsigned tier, uint64_t bytes);

#endif
