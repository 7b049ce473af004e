/* config.h - every number of the simulated machine that a run needs, in one list.
 *
 * Tiers, bandwidths and prices are not here: they are applied after the run (models/timing), so that one
 * exact trace answers for any of them. What is here shapes the trace itself: caches, prefetchers, TLBs and
 * the core.
 *
 * Written by tierprof as text, one `name value` a line, and read by tpm_config_parse.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_CONFIG_H
#define TPM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, default, least, most) */
#define TPM_CONFIG_FIELDS(X)                                                                                 \
    X(timing, 1, 0, 1)  /* 0: caches only, no core model, no episodes */                                     \
    X(cores, 1, 1, 256) /* each with its L1, L2, TLBs; thread t runs on t % cores */                         \
    X(l1_bytes, 32768, 1024, 1 << 20)                                                                        \
    X(l1_ways, 8, 1, 32)                                                                                     \
    X(l2_bytes, 1048576, 0, 1 << 28) /* 0: no L2 */                                                          \
    X(l2_ways, 16, 1, 32)                                                                                    \
    X(l3_bytes, 37486592, 4096, 1ull << 34) /* shared by all cores */                                        \
    X(l3_ways, 11, 1, 32)                                                                                    \
    X(pseudo_lru, 0, 0, 1)              /* 0: LRU, 1: tree pseudo-LRU (ways a power of two) */               \
    X(prefetch_next_line, 1, 0, 1)      /* L2, the other line of a 128 B pair */                             \
    X(prefetch_stream, 1, 0, 1)         /* L2, along lines of a 4 KiB page */                                \
    X(prefetch_stream_depth, 20, 1, 64) /* lines that a confirmed stream runs ahead */                       \
    X(prefetch_stride, 1, 0, 1)         /* L1, by instruction */                                             \
    X(page_bytes, 4096, 4096, 1 << 21)  /* 4096 or 2097152: what a data TLB entry covers */                  \
    X(tlb1_entries, 64, 1, 4096)                                                                             \
    X(tlb1_ways, 4, 1, 64)                                                                                   \
    X(tlb2_entries, 1536, 0, 1 << 16) /* 0: none */                                                          \
    X(tlb2_ways, 12, 1, 64)                                                                                  \
    X(near_blocks, 384, 0, 1 << 20) /* 256 B blocks in the tier's buffer (16 KiB a DIMM) */                  \
    X(mid_pages, 24576, 0, 1 << 24) /* 4 KiB pages in its translation buffer (16 MiB a DIMM) */              \
    X(issue_width, 4, 1, 16)                                                                                 \
    X(window_instructions, 224, 8, 4096) /* the reorder buffer */                                            \
    X(miss_buffers, 10, 1, 64)           /* L1 line-fill buffers: no more loads of an episode */             \
    X(l1_cycles, 5, 1, 100)                                                                                  \
    X(l2_cycles, 14, 1, 1000)                                                                                \
    X(walk_cycles, 30, 0, 1000) /* a page walk that hits the caches */                                       \
    X(tlb2_cycles, 7, 0, 1000)                                                                               \
    X(mispredict_cycles, 16, 0, 1000)                                                                        \
    X(predictor_bits, 14, 4, 24) /* gshare: log2 of its two-bit counters */                                  \
    X(slice_instructions, 20000000, 1000,                                                                    \
      1ull << 40)                   /* of all threads together; doubles after 256 slices */                  \
    X(reuse_every, 256, 0, 1 << 20) /* SHARDS rate: one in so many lines and pages; 0: off */                \
    X(heat_bytes, 1048576, 0,                                                                                \
      1ull << 40) /* allocations from this size on have their accesses counted by place (heat.h); 0: none */ \
    X(seed, 1, 0, UINT32_MAX)

struct tpm_config {
#define TPM_FIELD(name, value, least, most) uint64_t name;
    TPM_CONFIG_FIELDS(TPM_FIELD)
#undef TPM_FIELD
};

void tpm_config_default(struct tpm_config *config);

/* Reads `text`. On a mistake returns false and leaves in `why` one line that names the field, its value and
 * its range. */
bool tpm_config_parse(struct tpm_config *config, const char *text, size_t bytes, char *why, size_t why_bytes);

#endif
