/* buffers.h - what the capacity tier's own buffers hold: they make some fetches cheap and set how much its
 * media moves.
 *
 * Modelled on Optane DIMMs (Xiang et al., EuroSys 2022; Wang et al., MICRO 2020): 256 B blocks in a buffer
 * for reads and one for writes, 4 KiB pages in a translation buffer behind them. All memory is treated as if
 * it lay in that tier; which objects do is decided after the run.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_BUFFERS_H
#define TPM_BUFFERS_H

#include "config.h"
#include "sets.h"

#define TPM_BLOCK_LINES_BITS 2 /* four lines a 256 B block */
#define TPM_PAGE_LINES_BITS 6  /* 64 lines a 4 KiB page */
#define TPM_BUFFER_WAYS 16u

struct tpm_buffers {
    struct tpm_sets read_blocks, written_blocks; /* near_blocks each */
    struct tpm_sets pages;                       /* mid_pages */
    bool writing;                                /* anything was written yet */
};

/* Sizes that are no multiple of 16 are rounded down to one; below 16 a buffer is fully associative. False: no
 * memory. */
bool tpm_buffers_new(struct tpm_buffers *buffers, const struct tpm_config *config,
                     const struct tpm_host *host);
void tpm_buffers_free(struct tpm_buffers *buffers, const struct tpm_host *host);

/* A line is fetched: TPX_NEAR when either buffer of blocks holds its block, else TPX_MID when its page is
 * held, else TPX_FAR. Anything but TPX_NEAR is one block read from the media. */
unsigned tpm_buffers_read(struct tpm_buffers *buffers, uint64_t line);

/* A line is written: true when its block was not being combined already, which makes one block written to the
 * media. */
bool tpm_buffers_write(struct tpm_buffers *buffers, uint64_t line);

#endif
