/* chains.c - see chains.h.
 *
 * A set of loads is kept as counts that make containment a comparison of numbers: for each object how many
 * loads are near or farther, mid or farther, and far; and last how many there are at all, L3 hits included.
 * One contains the other if none of its counts is less: within an object loads can be paired from the
 * farthest on, and L3 hits pair with what is left.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "chains.h"

enum {
    TPMI_PATHS = 32,                  /* that are kept of those which end in one load, and of all */
    TPMI_COUNTS = 3 * TPM_MISSES + 1, /* a byte each */
    TPMI_WORDS = (TPMI_COUNTS + 7) / 8,
    TPMI_ELEMENTS = 4 * TPM_MISSES,
};

struct tpmi_path {
    uint64_t word[TPMI_WORDS]; /* eight counts each, all below 128 */
};

struct tpmi_paths {
    uint32_t count;
    struct tpmi_path path[TPMI_PATHS];
};

struct tpmi_element {
    uint32_t key; /* object * 4 + class; of all L3 hits 0 */
    uint32_t count;
};

/* A chain as it is written: elements by key. */
struct tpmi_chain {
    struct tpmi_element element[TPM_CHAIN_ELEMENTS];
    uint32_t n_elements, n_loads, n_fetches; /* fetches: loads beyond L3 */
};

struct tpm_chains {
    uint32_t n_objects, n_words;
    uint32_t object[TPM_MISSES]; /* those of the episode, L3 hits aside */
    bool folded;
    struct tpmi_paths ending[TPM_MISSES]; /* in each load */
    struct tpmi_paths all;
    struct tpmi_chain chain[TPMI_PATHS];
};

struct tpm_chains *tpm_chains_new(const struct tpm_host *host) {
    return host->get(sizeof(struct tpm_chains));
}

void tpm_chains_free(struct tpm_chains *chains, const struct tpm_host *host) {
    if (chains != NULL) host->put(chains, sizeof *chains);
}

static uint32_t tpmi_count(const struct tpmi_path *path, uint32_t column) {
    return (uint32_t)(path->word[column / 8] >> column % 8 * 8) & 0xff;
}

static void tpmi_count_one(struct tpmi_path *path, uint32_t column) {
    path->word[column / 8] += 1ull << column % 8 * 8;
}

static void tpmi_copy(const struct tpm_chains *chains, struct tpmi_path *to, const struct tpmi_path *from) {
    for (uint32_t i = 0; i < chains->n_words; i++)
        to->word[i] = from->word[i];
}

/* Is no count of `a` less than that of `b`? */
static bool tpmi_contains(const struct tpm_chains *chains, const struct tpmi_path *a,
                          const struct tpmi_path *b) {
    const uint64_t high = 0x8080808080808080ull;
    for (uint32_t i = 0; i < chains->n_words; i++)
        if ((((a->word[i] | high) - b->word[i]) & high) != high) return false;
    return true;
}

/* Puts `path` among `paths`, unless one of them contains it; takes out those that it contains. */
static void tpmi_keep(struct tpm_chains *chains, struct tpmi_paths *paths, const struct tpmi_path *path) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < paths->count; i++)
        if (tpmi_contains(chains, &paths->path[i], path)) return;
    for (uint32_t i = 0; i < paths->count; i++)
        if (!tpmi_contains(chains, path, &paths->path[i])) {
            if (kept < i) tpmi_copy(chains, &paths->path[kept], &paths->path[i]);
            kept++;
        }
    paths->count = kept;
    if (kept == TPMI_PATHS)
        chains->folded = true;
    else
        tpmi_copy(chains, &paths->path[paths->count++], path);
}

static void tpmi_add(const struct tpm_chains *chains, struct tpmi_path *path, const struct tpm_miss *miss) {
    tpmi_count_one(path, 3 * chains->n_objects);
    if (miss->node_class == TPX_L3) return;
    uint32_t at = 0;
    while (chains->object[at] != miss->object)
        at++;
    for (uint32_t node_class = TPX_NEAR; node_class <= miss->node_class; node_class++)
        tpmi_count_one(path, 3 * at + node_class - TPX_NEAR);
}

static void tpmi_name_objects(struct tpm_chains *chains, const struct tpm_miss *misses, uint32_t n_misses) {
    chains->n_objects = 0;
    for (uint32_t i = 0; i < n_misses; i++) {
        if (misses[i].node_class == TPX_L3) continue;
        uint32_t at = 0;
        while (at < chains->n_objects && chains->object[at] != misses[i].object)
            at++;
        chains->object[at] = misses[i].object;
        chains->n_objects += at == chains->n_objects;
    }
    chains->n_words = (3 * chains->n_objects + 1 + 7) / 8;
}

/* All paths that end in load `i`: those of the loads that it waits for directly, and `i` itself. */
static void tpmi_end_in(struct tpm_chains *chains, const struct tpm_miss *misses, uint32_t i) {
    struct tpmi_paths *paths = &chains->ending[i];
    paths->count = 0;
    uint64_t direct = 0;
    for (uint64_t left = misses[i].waits; left != 0;) { /* none that is left waits for the latest of them */
        uint32_t latest = 63 - (uint32_t)__builtin_clzll(left);
        direct |= 1ull << latest;
        left &= ~(1ull << latest | misses[latest].waits);
    }
    struct tpmi_path path;
    if (direct == 0) {
        __builtin_memset(&path, 0, chains->n_words * sizeof path.word[0]);
        tpmi_add(chains, &path, &misses[i]);
        tpmi_keep(chains, paths, &path);
    }
    for (; direct != 0; direct &= direct - 1) {
        const struct tpmi_paths *before = &chains->ending[__builtin_ctzll(direct)];
        for (uint32_t k = 0; k < before->count; k++) {
            tpmi_copy(chains, &path, &before->path[k]);
            tpmi_add(chains, &path, &misses[i]);
            tpmi_keep(chains, paths, &path);
        }
    }
}

/* Sets `element` to what `path` consists of, by key, and returns the number. */
static uint32_t tpmi_elements(const struct tpm_chains *chains, const struct tpmi_path *path,
                              struct tpmi_element element[TPMI_ELEMENTS]) {
    uint32_t n_elements = 0, l3_hits = tpmi_count(path, 3 * chains->n_objects);
    for (uint32_t at = 0; at < chains->n_objects; at++)
        l3_hits -= tpmi_count(path, 3 * at);
    if (l3_hits > 0) element[n_elements++] = (struct tpmi_element){0, l3_hits};
    for (uint32_t at = 0; at < chains->n_objects; at++) {
        for (uint32_t node_class = TPX_NEAR; node_class <= TPX_FAR; node_class++) {
            uint32_t column = 3 * at + node_class - TPX_NEAR, count = tpmi_count(path, column);
            if (node_class < TPX_FAR) count -= tpmi_count(path, column + 1);
            if (count == 0) continue;
            struct tpmi_element added = {chains->object[at] * 4 + node_class, count};
            uint32_t to = n_elements++;
            for (; to > 0 && element[to - 1].key > added.key; to--)
                element[to] = element[to - 1];
            element[to] = added;
        }
    }
    return n_elements;
}

/* The index of the element that is `most` frequent or rarest; of equals the first is more frequent. */
static uint32_t tpmi_extreme(const struct tpmi_element *element, uint32_t n_elements, bool most) {
    uint32_t found = 0;
    for (uint32_t i = 1; i < n_elements; i++)
        if (most ? element[i].count > element[found].count : element[i].count <= element[found].count)
            found = i;
    return found;
}

static struct tpmi_chain tpmi_chain_of(struct tpm_chains *chains, const struct tpmi_path *path) {
    struct tpmi_element element[TPMI_ELEMENTS];
    struct tpmi_chain chain = {.n_elements = tpmi_elements(chains, path, element)};
    for (uint32_t i = 0; i < chain.n_elements; i++) {
        chain.n_loads += element[i].count;
        if (element[i].key != 0) chain.n_fetches += element[i].count;
    }
    while (chain.n_elements > TPM_CHAIN_ELEMENTS) {
        uint32_t rarest = tpmi_extreme(element, chain.n_elements, false);
        uint32_t most = tpmi_extreme(element, chain.n_elements, true);
        element[most].count += element[rarest].count;
        chain.n_elements--;
        for (uint32_t i = rarest; i < chain.n_elements; i++)
            element[i] = element[i + 1];
        chains->folded = true;
    }
    for (uint32_t i = 0; i < chain.n_elements; i++)
        chain.element[i] = element[i];
    return chain;
}

/* Does `a` come before `b`? By elements; a chain that another begins with comes first. */
static bool tpmi_before(const struct tpmi_chain *a, const struct tpmi_chain *b) {
    for (uint32_t i = 0; i < a->n_elements && i < b->n_elements; i++) {
        if (a->element[i].key != b->element[i].key) return a->element[i].key < b->element[i].key;
        if (a->element[i].count != b->element[i].count) return a->element[i].count < b->element[i].count;
    }
    return a->n_elements < b->n_elements;
}

/* Is `a` to be kept rather than `b`? The one with more fetches, then with more loads. */
static bool tpmi_longer(const struct tpmi_chain *a, const struct tpmi_chain *b) {
    if (a->n_fetches != b->n_fetches) return a->n_fetches > b->n_fetches;
    if (a->n_loads != b->n_loads) return a->n_loads > b->n_loads;
    return tpmi_before(a, b);
}

static void tpmi_sort(struct tpmi_chain *chain, uint32_t count,
                      bool (*first)(const struct tpmi_chain *, const struct tpmi_chain *)) {
    for (uint32_t i = 1; i < count; i++) {
        struct tpmi_chain moved = chain[i];
        uint32_t to = i;
        for (; to > 0 && first(&moved, &chain[to - 1]); to--)
            chain[to] = chain[to - 1];
        chain[to] = moved;
    }
}

/* Turns chains->all into nodes. */
static uint32_t tpmi_write(struct tpm_chains *chains, struct tpx_node nodes[TPM_EPISODE_NODES]) {
    uint32_t n_chains = chains->all.count, n_nodes = 0;
    for (uint32_t i = 0; i < n_chains; i++)
        chains->chain[i] = tpmi_chain_of(chains, &chains->all.path[i]);
    if (n_chains > TPM_CHAINS) {
        tpmi_sort(chains->chain, n_chains, tpmi_longer);
        chains->folded = true;
        n_chains = TPM_CHAINS;
    }
    tpmi_sort(chains->chain, n_chains, tpmi_before);
    for (uint32_t i = 0; i < n_chains; i++) {
        for (uint32_t k = 0; k < chains->chain[i].n_elements; k++) {
            struct tpmi_element element = chains->chain[i].element[k];
            nodes[n_nodes++] = (struct tpx_node){.object = element.key / 4,
                                                 .chain = (uint8_t)i,
                                                 .node_class = (uint8_t)(element.key % 4),
                                                 .count = (uint16_t)element.count};
        }
    }
    return n_nodes;
}

uint32_t tpm_chains_find(struct tpm_chains *chains, const struct tpm_miss *misses, uint32_t n_misses,
                         struct tpx_node nodes[TPM_EPISODE_NODES], bool *folded) {
    uint64_t inner = 0; /* loads that others wait for: no path that matters ends there */
    chains->folded = false;
    tpmi_name_objects(chains, misses, n_misses);
    for (uint32_t i = 0; i < n_misses; i++) {
        tpmi_end_in(chains, misses, i);
        inner |= misses[i].waits;
    }
    chains->all.count = 0;
    for (uint32_t i = 0; i < n_misses; i++)
        for (uint32_t k = 0; k < chains->ending[i].count && !(inner >> i & 1); k++)
            tpmi_keep(chains, &chains->all, &chains->ending[i].path[k]);
    __builtin_memset(nodes, 0, TPM_EPISODE_NODES * sizeof *nodes);
    uint32_t n_nodes = tpmi_write(chains, nodes);
    *folded = chains->folded;
    return n_nodes;
}
