/* cache.h - the memory hierarchy below the cores: what every access finds, and what it moves.
 *
 * Each core has an L1, an L2 (unless l2_bytes is 0), TLBs, prefetchers and buffers for non-temporal stores;
 * all share L3 and the tier's own buffers. Write-back, write-allocate; no level includes another:
 *  - a line from memory fills L3, L2 and L1, one from L3 fills L2 and L1; it stays where it was found;
 *  - a dirty line that leaves L1 goes to L2, one that leaves L2 to L3, one that leaves L3 to memory. If it is
 * there it is marked dirty and its turn to leave stays what it was, else it is put in as the most recent.
 * Clean lines that leave are dropped;
 *  - a line's owner is the object that fetched it, then the one whose store made it dirty;
 *  - a store to a line that other cores hold takes it from them; a line that is dirty in another core's
 * caches is put into L3 and found there (at the cost of an L3 hit);
 *  - a non-temporal store takes its line out of every cache (written to memory first if dirty) and collects
 * the line's bytes in one of miss_buffers buffers of its core: a line that is full, or is touched otherwise,
 * or has to make room (the oldest), or meets a fence or a locked update, is written to memory. A prefetch has
 * its line at once: that it may come late is not modelled.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_CACHE_H
#define TPM_CACHE_H

#include "block.h"
#include "buffers.h"
#include "config.h"
#include "level.h"
#include "prefetch.h"
#include "reuse.h"
#include "sim.h"
#include "tlb.h"

enum tpm_answer { TPM_L1 = 0, TPM_L2 = 1, TPM_L3 = 2, TPM_MEMORY = 3 };

/* What came of one access. Where it touches several lines or pages, the slowest answer and the sums. */
struct tpm_outcome {
    uint8_t answer;      /* enum tpm_answer */
    uint8_t node_class;  /* enum tpx_class: where `answer` is TPM_MEMORY, which */
    uint8_t translation; /* enum tpm_translation */
    uint8_t pad;
    uint16_t tlb1_misses, walks;   /* pages */
    uint16_t l1_misses, l2_misses; /* lines; of prefetch instructions and non-temporal stores none */
    uint16_t by_class[4];          /* of the l2_misses, by enum tpx_class; [TPX_L3]: L3 hits */
    uint16_t prefetched_lines;     /* fetched from memory by prefetches that this access set off */
    uint16_t prefetched_used; /* lines so fetched, now in L1 or L2, that this access is the first to use */
    uint16_t read_blocks;     /* 256 B blocks that all these fetches took from the media */
};

/* A line goes to memory; `object` owns it. `new_block`: it starts a 256 B block of the media
 * (tpx_object.write_blocks). Called during tpm_caches_access and tpm_caches_drain. */
typedef void tpm_written(void *context, uint32_t object, bool new_block);

/* Non-temporal stores that have not filled their line yet, the oldest first. */
struct tpm_combining {
    uint64_t line[64], bytes[64]; /* bytes: which of the 64 are written */
    uint32_t owner[64];
    uint32_t open;
};

/* What belongs to one core. */
struct tpm_private {
    struct tpm_sets l1, l2; /* level.h; l2 has no sets when l2_bytes is 0 */
    uint32_t l1_set_bits;
    struct tpm_tlb tlb;
    struct tpm_combining combining;
    struct tpm_streams streams;
    struct tpm_strides strides;
};

struct tpm_sharing; /* cache.c: which cores may hold lines of a page */

struct tpm_caches {
    struct tpm_private *own; /* one a core */
    struct tpm_sets l3;
    struct tpm_buffers buffers;
    struct tpm_reuse *lines, *pages; /* NULL: reuse_every is 0 */
    struct tpm_sharing *sharing;     /* NULL: one core */
    struct tpm_config config;
    struct tpm_host host;
    tpm_written *written;
    void *written_context;
    bool counting; /* reuse is counted; off while warming up. The caller sets it. */
};

/* NULL: no memory. `written` may be NULL. */
struct tpm_caches *tpm_caches_new(const struct tpm_config *config, const struct tpm_host *host,
                                  tpm_written *written, void *context);
void tpm_caches_free(struct tpm_caches *caches);

/* True: the access is one to the most recent line and page of its sets, for which nothing changes: it counts
 * as an L1 hit and tpm_caches_access need not be called. False: that has to find out. */
static inline bool tpm_caches_hit(const struct tpm_caches *caches, uint32_t core, uint64_t address,
                                  const struct tpm_access *access) {
    const struct tpm_private *own = &caches->own[core];
    const struct tpm_sets *l1 = &own->l1;
    uint64_t line = address >> TPM_LINE_BITS, kind = access->kind;
    if (kind > TPM_STORE || address % TPM_LINE_BYTES + access->bytes > TPM_LINE_BYTES || l1->trees)
        return false;
    uint64_t word = l1->words[(line & (l1->count - 1)) * l1->stride];
    /* TPM_STORE is 1: a store needs a line that is dirty already. */
    uint64_t wanted = ((line >> own->l1_set_bits) + 1) | kind << TPM_DIRTY_BIT;
    uint64_t compared = TPM_TAG_MASK | TPM_PREFETCHED | kind << TPM_DIRTY_BIT;
    return ((word ^ wanted) & compared) == 0 && tpmi_tlb_recent(&own->tlb, address);
}

/* The same for callers that cannot inline it. */
bool tpm_caches_is_hit(const struct tpm_caches *caches, uint32_t core, uint64_t address,
                       const struct tpm_access *access);

/* One access of a thread on `core`, by `object` (below TPM_OBJECTS). `access` gives kind, bytes and pc.
 * `*out` is set. TPM_FENCE drains and touches nothing. Prefetched lines belong to `object` too, though the
 * last of them may lie beyond it. */
void tpm_caches_access(struct tpm_caches *caches, uint32_t core, uint64_t address,
                       const struct tpm_access *access, uint32_t object, struct tpm_outcome *out);

/* Writes what the non-temporal stores of `core` have collected. */
void tpm_caches_drain(struct tpm_caches *caches, uint32_t core);

#endif
