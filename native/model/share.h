/* share.h - several cores and one copy that is dirty: finds and takes away what other cores hold.
 *
 * Which cores may hold lines of a page, and which may hold dirty ones, is remembered by page in a table
 * without tags: a core that is not named is certain to hold nothing, so that memory of one thread costs no
 * look at the others.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_SHARE_H
#define TPM_SHARE_H

#include "cache.h"

#define TPM_SHARING_ENTRIES (1u << 16)

/* As long as one core only has fetched anything the table is left empty; it is filled from that core's caches
 * when a second one comes. */
struct tpm_sharing {
    uint32_t alone; /* that core plus one; 0: none yet */
    bool several;
    struct {
        uint64_t readers, writers; /* bit c: a core whose number is c modulo 64 */
    } entry[TPM_SHARING_ENTRIES];
};

/* Must what follows be called? It may be in any case. */
static inline bool tpmi_share_matters(const struct tpm_caches *caches, uint32_t core) {
    return caches->sharing && (caches->sharing->several || caches->sharing->alone != core + 1);
}

/* `core` is about to hold `line`: a copy that is dirty in another core's caches is put into L3 and stays
 * there clean. */
void tpm_share_read(struct tpm_caches *caches, uint32_t core, uint64_t line);

/* `core` is about to make its copy dirty: all other copies go; a dirty one is put into L3 first. */
void tpm_share_write(struct tpm_caches *caches, uint32_t core, uint64_t line);

/* Takes `line` out of the L1 and L2 of `core`. True if a copy was dirty; `*owner` is then the owner of the
 * one nearest to the core. */
bool tpm_private_take(struct tpm_private *own, uint64_t line, uint32_t *owner);

#endif
