/* pool.c - see pool.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "pool.h"

enum { TPMI_CHUNK_BYTES = 256 * 1024, TPMI_CHUNK_HEAD = 64 };

void tpm_pool_init(struct tpm_pool *pool, const struct tpm_host *host, size_t bytes) {
    *pool = (struct tpm_pool){.host = host, .bytes = bytes};
}

static bool tpmi_more(struct tpm_pool *pool) {
    unsigned char *chunk = pool->host->get(TPMI_CHUNK_BYTES);
    if (chunk == NULL) return false;
    *(void **)(void *)chunk = pool->chunks;
    pool->chunks = chunk;
    pool->next = chunk + TPMI_CHUNK_HEAD;
    pool->end = chunk + TPMI_CHUNK_BYTES;
    return true;
}

void *tpm_pool_take(struct tpm_pool *pool) {
    void *thing = pool->free;
    if (thing != NULL) {
        pool->free = *(void **)thing;
        return thing;
    }
    if ((size_t)(pool->end - pool->next) < pool->bytes && !tpmi_more(pool)) return NULL;
    thing = pool->next;
    pool->next += pool->bytes;
    return thing;
}

void tpm_pool_give(struct tpm_pool *pool, void *thing) {
    *(void **)thing = pool->free;
    pool->free = thing;
}

void tpm_pool_end(struct tpm_pool *pool) {
    for (void *chunk = pool->chunks; chunk != NULL;) {
        void *next = *(void **)chunk;
        pool->host->put(chunk, TPMI_CHUNK_BYTES);
        chunk = next;
    }
    *pool = (struct tpm_pool){.host = pool->host, .bytes = pool->bytes};
}
