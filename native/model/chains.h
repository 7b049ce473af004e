/* chains.h - which loads of an episode waited for each other: its chains, without those that another one
 * contains.
 *
 * A chain is a path through the loads in which each waits for the one before. It contains another if each
 * load of that one can be paired with a load of its own, of the same object and at least as far away (far,
 * mid, near, L3; an L3 hit pairs with any load, as it costs the same for all objects and is the cheapest).
 * Whatever the plan, the chain that contains takes no less time, so the other need not be kept.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_CHAINS_H
#define TPM_CHAINS_H

#include "exactfile.h"
#include "sim.h"

#define TPM_MISSES 64u        /* loads of an episode: a bit each */
#define TPM_CHAINS 4u         /* that are kept of an episode */
#define TPM_CHAIN_ELEMENTS 4u /* different (object, class) of a chain */
#define TPM_EPISODE_NODES (TPM_CHAINS * TPM_CHAIN_ELEMENTS)

/* A load that missed L2. */
struct tpm_miss {
    uint64_t waits; /* for these earlier ones of the episode; what they wait for is in it too */
    uint32_t object;
    uint32_t node_class; /* enum tpx_class */
};

struct tpm_chains; /* working memory */

struct tpm_chains *tpm_chains_new(const struct tpm_host *host);
void tpm_chains_free(struct tpm_chains *chains, const struct tpm_host *host);

/* Sets `nodes` (zeroed beyond them) to the chains of `misses`, in a canonical order, and returns their
 * number. Where there are more than TPM_CHAINS, the longest are kept; where one has more than
 * TPM_CHAIN_ELEMENTS different elements, the rarest count as its most frequent one. `*folded`: one of these
 * happened. */
uint32_t tpm_chains_find(struct tpm_chains *chains, const struct tpm_miss *misses, uint32_t n_misses,
                         struct tpx_node nodes[TPM_EPISODE_NODES], bool *folded);

#endif
