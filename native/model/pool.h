/* pool.h - many things of one size: taken from the host by the chunk, given back to a free list, never moved.
 *
 * What was given back keeps its bytes but for the first word, so a stale pointer may still be read (objects.h
 * needs it).
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_POOL_H
#define TPM_POOL_H

#include "sim.h"

struct tpm_pool {
    const struct tpm_host *host;
    size_t bytes; /* of one thing: a multiple of 8, at least 8 */
    void *free;   /* the first word of each links to the next */
    unsigned char *next, *end;
    void *chunks; /* likewise */
};

void tpm_pool_init(struct tpm_pool *pool, const struct tpm_host *host, size_t bytes);

/* A new thing is zeroed, one that was given back is as it was left. NULL: no memory. */
void *tpm_pool_take(struct tpm_pool *pool);
void tpm_pool_give(struct tpm_pool *pool, void *thing);

void tpm_pool_end(struct tpm_pool *pool);

#endif
