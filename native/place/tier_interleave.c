/* tier_interleave.c - pages over several nodes, in the proportion of weights.
 *
 * Linux 6.9's MPOL_WEIGHTED_INTERLEAVE takes its weights from a setting of the whole machine, which is not
 * ours to write. So equal weights use MPOL_INTERLEAVE, page by page in one mapping; unequal ones cut a
 * mapping into runs, each of which prefers one node. A run is a mapping to the kernel, of which a process may
 * have 65530: so runs are 1 MiB, and longer in objects of more than some hundred runs.
 */
#include "pages.h"
#include "policy.h"
#include "tier.h"

#define TPI_RUN_BYTES ((size_t)1 << 20)
#define TPI_RUNS_LIMIT 512u /* in one object */
#define TPI_CHUNK_BYTES ((size_t)32 << 20)

static const struct tp_plan_weight *tpi_weights(const struct tpi_tier *tier, unsigned *count, unsigned *sum) {
    const struct tp_plan_weight *weights = tier->plan->weights;
    for (*count = *sum = 0; *count < TP_PLAN_WEIGHTS && weights[*count].weight > 0; ++*count)
        *sum += weights[*count].weight;
    return weights;
}

static bool tpi_equal(const struct tp_plan_weight *weights, unsigned count) {
    for (unsigned i = 1; i < count; i++)
        if (weights[i].weight != weights[0].weight) return false;
    return true;
}

static bool tpi_apply_equal(const struct tp_plan_weight *weights, unsigned count, void *address, size_t size,
                            bool moves) {
    struct tpi_nodes nodes = {{0}};
    for (unsigned i = 0; i < count; i++)
        tpi_nodes_add(&nodes, weights[i].node);
    return tpi_policy_interleave(address, size, &nodes, moves);
}

static bool tpi_apply_runs(const struct tp_plan_weight *weights, unsigned count, unsigned sum, void *address,
                           size_t size, bool moves) {
    size_t unit = tpi_round_up(size / TPI_RUNS_LIMIT * count / sum + 1, TPI_RUN_BYTES), at = 0;
    if (size < 2 * sum * unit) unit = tpi_round_up(size / (2 * sum) + 1, TPI_PAGE_BYTES);
    if (moves) tpi_pages_split((uintptr_t)address, size); /* a huge page moves whole, for whichever run */
    for (unsigned i = 0; at < size; i = (i + 1) % count) {
        struct tpi_nodes nodes = {{0}};
        size_t run = unit * weights[i].weight;
        if (run > size - at) run = size - at;
        tpi_nodes_add(&nodes, weights[i].node);
        if (!tpi_policy_prefer((char *)address + at, run, &nodes, moves)) return false;
        at += run;
    }
    return true;
}

static bool tpi_apply(const struct tpi_tier *tier, void *address, size_t size, bool moves) {
    unsigned count, sum;
    const struct tp_plan_weight *weights = tpi_weights(tier, &count, &sum);
    bool applied = tpi_equal(weights, count) ? tpi_apply_equal(weights, count, address, size, moves)
                                             : tpi_apply_runs(weights, count, sum, address, size, moves);
    if (!applied) tpi_policy_default(address, size, false);
    return applied;
}

static bool tpi_interleave_adopt(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_apply(tier, address, size, false);
}

static bool tpi_interleave_retarget(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_apply(tier, address, size, true);
}

static void *tpi_interleave_map(struct tpi_tier *tier, size_t size, size_t align) {
    void *pages = tpi_pages_map(size, align);
    if (pages == NULL || tpi_interleave_adopt(tier, pages, size)) return pages;
    tp_raw_munmap(pages, size);
    return NULL;
}

/* The node that is full first, counted by its share, limits all: beyond it the proportion would not hold. */
static void tpi_limit_capacity(struct tpi_tier *tier) {
    unsigned count, sum;
    const struct tp_plan_weight *weights = tpi_weights(tier, &count, &sum);
    for (unsigned i = 0; i < count; i++) {
        uint64_t room_bytes = tpi_node_room_bytes(weights[i].node);
        if (room_bytes == UINT64_MAX) continue;
        uint64_t limit_bytes = room_bytes / weights[i].weight * sum;
        if (limit_bytes < tier->capacity_bytes) tier->capacity_bytes = limit_bytes;
    }
}

static const char *tpi_interleave_open(struct tpi_tier *tier) {
    unsigned count, sum;
    tpi_weights(tier, &count, &sum);
    if (count == 0) return "it has no weights";
    void *pages = tpi_interleave_map(tier, sum * TPI_PAGE_BYTES, TPI_PAGE_BYTES);
    if (pages == NULL) return "one of its NUMA nodes does not exist, or mbind is forbidden";
    tp_raw_munmap(pages, sum * TPI_PAGE_BYTES);
    tpi_limit_capacity(tier);
    return NULL;
}

const struct tpi_backend tpi_backend_interleave = {
    .chunk_bytes = TPI_CHUNK_BYTES,
    .large_align = TPI_PAGE_BYTES,
    .open = tpi_interleave_open,
    .map = tpi_interleave_map,
    .adopt = tpi_interleave_adopt,
    .retarget = tpi_interleave_retarget,
    .movable = false, /* of several mappings */
};
