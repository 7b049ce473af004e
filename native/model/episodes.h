/* episodes.h - the open episode of one thread, and the table of those that ended in the slice (exactfile.h
 * says what an episode is).
 *
 * An episode begins with a load that missed L2. It holds as many of them as there are miss buffers; the next
 * one ends it and begins another. Times are in ticks: issue_width of them are a cycle.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_EPISODES_H
#define TPM_EPISODES_H

#include "chains.h"
#include "output.h"

#define TPM_EPISODE_ROWS 4096u

struct tpm_episode_row {
    uint32_t n_nodes, hash;
    uint64_t count, ticks, instructions, misses;
    struct tpx_node node[TPM_EPISODE_NODES];
};

struct tpm_episode_table {
    uint32_t count;
    uint16_t at[2 * TPM_EPISODE_ROWS]; /* open addressing: a row's number + 1; 0: free */
    struct tpm_episode_row row[TPM_EPISODE_ROWS];
};

/* Where a thread is: what it has dispatched, and when the next instruction follows. */
struct tpm_moment {
    uint64_t ticks, instructions;
};

struct tpm_episodes {
    uint32_t n_misses; /* of the open one; 0: none is open */
    uint32_t thread;
    uint64_t lines; /* L2 misses */
    uint64_t seen;  /* a bit for each of their line numbers modulo 64 */
    struct tpm_moment begin;
    struct tpm_miss miss[TPM_MISSES];
    struct {
        uint64_t first, last;
    } line[TPM_MISSES]; /* that each touched */
    uint64_t window, width;
    struct tpm_episode_table *table; /* NULL until the first episode ends */
    struct tpm_chains *chains;       /* shared by all threads */
    struct tpm_output *output;
    uint64_t *folded; /* counts, for all threads */
    uint64_t lost;    /* for want of memory */
};

void tpm_episodes_free(struct tpm_episodes *episodes);

/* The open episode ends. */
void tpm_episodes_end(struct tpm_episodes *episodes, struct tpm_moment end);

/* Writes the table, and forgets what is in it. */
void tpm_episodes_write(struct tpm_episodes *episodes);

/* Forgets the open episode and the table. */
void tpm_episodes_drop(struct tpm_episodes *episodes);

static inline uint64_t tpmi_line_bits(uint64_t first, uint64_t last) {
    return last - first > 1 ? UINT64_MAX : 1ull << first % 64 | 1ull << last % 64;
}

/* Adds a load of the lines [first, last] that missed, by `lines` of them. Returns what its value waits for.
 */
static inline uint64_t tpm_episodes_add(struct tpm_episodes *episodes, struct tpm_miss miss, uint64_t first,
                                        uint64_t last, uint32_t lines) {
    uint32_t at = episodes->n_misses++;
    episodes->miss[at] = miss;
    episodes->line[at].first = first;
    episodes->line[at].last = last;
    episodes->lines += lines;
    episodes->seen |= tpmi_line_bits(first, last);
    return miss.waits | 1ull << at;
}

/* What waits for the lines [first, last]: the loads of the open episode that touched one of them. */
static inline uint64_t tpm_episodes_fetching(const struct tpm_episodes *episodes, uint64_t first,
                                             uint64_t last) {
    uint64_t waits = 0;
    if (!(episodes->seen & tpmi_line_bits(first, last))) return 0;
    for (uint32_t i = 0; i < episodes->n_misses; i++)
        if (episodes->line[i].first <= last && episodes->line[i].last >= first)
            waits |= episodes->miss[i].waits | 1ull << i;
    return waits;
}

#endif
