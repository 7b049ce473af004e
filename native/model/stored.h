/* stored.h - which bytes in memory hold values that wait for loads of the open episode, so that whoever loads
 * them waits too.
 *
 * By granules of eight bytes, in a small table in which the newest of two that collide stays. Of a store or
 * load of more than 64 bytes the first 64 count.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_STORED_H
#define TPM_STORED_H

#include <stdint.h>

#define TPM_STORED 256u

struct tpm_stored {
    uint64_t episode; /* the open one; entries of others are void */
    uint32_t used;    /* entries that were filled for it: 0 lets loads pass without a look */
    struct {
        uint64_t granule, waits, episode;
    } entry[TPM_STORED];
};

static inline void tpm_stored_forget(struct tpm_stored *stored) {
    stored->episode++;
    stored->used = 0;
}

static inline uint64_t tpmi_last_granule(uint64_t address, uint32_t bytes) {
    return (address + (bytes < 64 ? bytes : 64) - 1) >> 3;
}

/* `bytes` at `address` are written with a value that waits for `waits`, which may be nothing. */
static inline void tpm_stored_put(struct tpm_stored *stored, uint64_t address, uint32_t bytes,
                                  uint64_t waits) {
    if (waits == 0 && stored->used == 0) return;
    uint64_t last = tpmi_last_granule(address, bytes);
    for (uint64_t granule = address >> 3; granule <= last; granule++) {
        uint32_t at = granule % TPM_STORED;
        if (waits != 0) {
            stored->entry[at].granule = granule;
            stored->entry[at].waits = waits;
            stored->entry[at].episode = stored->episode;
            stored->used++;
        } else if (stored->entry[at].granule == granule) {
            stored->entry[at].waits = 0;
        }
    }
}

/* What the `bytes` at `address` wait for. */
static inline uint64_t tpm_stored_get(const struct tpm_stored *stored, uint64_t address, uint32_t bytes) {
    if (stored->used == 0) return 0;
    uint64_t waits = 0, last = tpmi_last_granule(address, bytes);
    for (uint64_t granule = address >> 3; granule <= last; granule++) {
        uint32_t at = granule % TPM_STORED;
        if (stored->entry[at].granule == granule && stored->entry[at].episode == stored->episode)
            waits |= stored->entry[at].waits;
    }
    return waits;
}

#endif
