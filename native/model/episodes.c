/* episodes.c - see episodes.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "episodes.h"

static uint32_t tpmi_hash_nodes(const struct tpx_node *node, uint32_t n_nodes) {
    uint64_t hash = n_nodes;
    for (uint32_t i = 0; i < n_nodes; i++) {
        uint64_t word;
        __builtin_memcpy(&word, &node[i], sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash ^ hash >> 32);
}

static bool tpmi_same_nodes(const struct tpm_episode_row *row, const struct tpx_node *node,
                            uint32_t n_nodes) {
    bool same = row->n_nodes == n_nodes;
    for (uint32_t i = 0; same && i < n_nodes; i++)
        same = row->node[i].object == node[i].object && row->node[i].chain == node[i].chain &&
               row->node[i].node_class == node[i].node_class && row->node[i].count == node[i].count;
    return same;
}

/* The row of these chains, a new one if need be; NULL: the table is full. */
static struct tpm_episode_row *tpmi_row_of(struct tpm_episode_table *table, const struct tpx_node *node,
                                           uint32_t n_nodes) {
    uint32_t hash = tpmi_hash_nodes(node, n_nodes), at = hash % (2 * TPM_EPISODE_ROWS);
    for (; table->at[at] != 0; at = (at + 1) % (2 * TPM_EPISODE_ROWS)) {
        struct tpm_episode_row *row = &table->row[table->at[at] - 1];
        if (row->hash == hash && tpmi_same_nodes(row, node, n_nodes)) return row;
    }
    if (table->count == TPM_EPISODE_ROWS) return NULL;
    struct tpm_episode_row *row = &table->row[table->count++];
    table->at[at] = (uint16_t)table->count;
    *row = (struct tpm_episode_row){.n_nodes = n_nodes, .hash = hash};
    __builtin_memcpy(row->node, node, n_nodes * sizeof *node);
    return row;
}

void tpm_episodes_end(struct tpm_episodes *episodes, struct tpm_moment end) {
    struct tpx_node node[TPM_EPISODE_NODES];
    bool folded;
    uint32_t n_nodes = tpm_chains_find(episodes->chains, episodes->miss, episodes->n_misses, node, &folded);
    *episodes->folded += folded;
    uint64_t ticks = end.ticks - episodes->begin.ticks,
             instructions = end.instructions - episodes->begin.instructions;
    if (instructions > episodes->window) { /* the last block reached beyond the window */
        ticks = ticks * episodes->window / instructions;
        instructions = episodes->window;
    }
    if (episodes->table == NULL) episodes->table = episodes->output->host->get(sizeof *episodes->table);
    if (episodes->table != NULL) {
        struct tpm_episode_row *row = tpmi_row_of(episodes->table, node, n_nodes);
        if (row == NULL) {
            tpm_episodes_write(episodes);
            row = tpmi_row_of(episodes->table, node, n_nodes);
        }
        row->count++;
        row->ticks += ticks;
        row->instructions += instructions;
        row->misses += episodes->lines;
    } else {
        episodes->lost++;
    }
    episodes->n_misses = 0;
    episodes->lines = episodes->seen = 0;
}

void tpm_episodes_write(struct tpm_episodes *episodes) {
    struct tpm_episode_table *table = episodes->table;
    if (table == NULL) return;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct tpm_episode_row *row = &table->row[i];
        struct tpx_episode fixed = {.thread = episodes->thread,
                                    .n_nodes = row->n_nodes,
                                    .count = row->count,
                                    .base_cycles = (row->ticks + episodes->width / 2) / episodes->width,
                                    .instructions = row->instructions,
                                    .misses = row->misses};
        tpm_output_record(episodes->output, TPX_EPISODE, &fixed, sizeof fixed, row->node,
                          row->n_nodes * sizeof row->node[0]);
    }
    if (table->count > 0) __builtin_memset(table->at, 0, sizeof table->at);
    table->count = 0;
}

void tpm_episodes_drop(struct tpm_episodes *episodes) {
    episodes->n_misses = 0;
    episodes->lines = episodes->seen = 0;
    if (episodes->table == NULL) return;
    episodes->table->count = 0;
    __builtin_memset(episodes->table->at, 0, sizeof episodes->table->at);
}

void tpm_episodes_free(struct tpm_episodes *episodes) {
    if (episodes->table != NULL) episodes->output->host->put(episodes->table, sizeof *episodes->table);
    episodes->table = NULL;
}
