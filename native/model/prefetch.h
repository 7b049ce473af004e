/* prefetch.h - what the hardware prefetchers of a core have learned, and what they would fetch next.
 *
 * They name lines; cache.c fetches them. The next-line prefetcher has nothing to learn and lives there.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_PREFETCH_H
#define TPM_PREFETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "sets.h"

#define TPM_STRIDES 256u

/* Lines that one observation may ask for. Two a request is what Intel's manual says of its L2 streamer ("Data
 * Prefetching", Intel 64 and IA-32 Architectures Optimization Reference Manual). */
#define TPM_AHEAD 2u

/* Pages of 4 KiB that requests came to, even ones apart from odd ones: 16 of each, the longest unused leaves.
 * The first request makes a page known, the second gives it a direction, and a third in the same direction
 * confirms it; a step the other way starts afresh in that direction. */
#define TPM_STREAMS 32u
#define TPM_STREAM_WAYS 16u

struct tpm_streams {
    struct tpm_sets pages;
};

bool tpm_streams_new(struct tpm_streams *streams, const struct tpm_host *host);
void tpm_streams_free(struct tpm_streams *streams, const struct tpm_host *host);

/* A request for `line` came to L2. Returns how many lines to fetch into it, and names them: the next ones, up
 * to `depth` lines ahead of `line`, none beyond its 4 KiB page. */
unsigned tpm_streams_observe(struct tpm_streams *streams, uint64_t line, unsigned depth,
                             uint64_t lines[TPM_AHEAD]);

/* Direct-mapped by the low bits of the instruction's address. Learns from loads that missed L1 or were the
 * first to use a prefetched line, so that other hits cost nothing; of short strides it then sees jumps from
 * line to line only, and takes every step of less than two lines as one line. The second equal step in a row
 * confirms. */
struct tpm_stride {
    uint64_t key; /* the instruction's address plus one; 0: free */
    uint64_t address;
    int64_t stride; /* 0: one address was seen */
};

struct tpm_strides {
    struct tpm_stride entry[TPM_STRIDES];
};

/* Returns how many lines to fetch into L1, and names them: one and two strides on. As in Intel's manual,
 * strides of more than 2 KiB are not followed, and nothing beyond the 4 KiB page of `address` is fetched. */
unsigned tpm_strides_observe(struct tpm_strides *strides, uint64_t pc, uint64_t address,
                             uint64_t lines[TPM_AHEAD]);

#endif
