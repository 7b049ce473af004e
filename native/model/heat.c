/* heat.c - see heat.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "heat.h"

/* Granules that one record holds at most. */
enum { TPMI_AT_ONCE = 2048 };

void tpm_heats_init(struct tpm_heats *heats, uint64_t least_bytes, const struct tpm_host *host,
                    struct tpm_output *output) {
    heats->host = host;
    heats->output = output;
    heats->least_bytes = least_bytes;
    heats->room = TPM_HEAT_ALL;
    heats->weight = 1.0;
    tpm_pool_init(&heats->lanes, host, sizeof(struct tpm_heat));
}

static uint64_t tpmi_granules(const struct tpm_heat *heat) {
    return ((heat->bytes - 1) >> heat->shift) + 1;
}

/* The misses stand behind the counts. */
static size_t tpmi_counts_bytes(const struct tpm_heat *heat) {
    return tpmi_granules(heat) * (sizeof *heat->counts + sizeof *heat->misses);
}

void tpm_heats_end(struct tpm_heats *heats) {
    for (uint32_t i = 0; i < TPM_HEAT_BUCKETS; i++) {
        for (struct tpm_heat *heat = heats->bucket[i]; heat != NULL; heat = heat->next)
            heats->host->put(heat->counts, tpmi_counts_bytes(heat));
        heats->bucket[i] = NULL;
    }
    tpm_pool_end(&heats->lanes);
}

static struct tpm_heat *tpmi_heat_new(struct tpm_heats *heats, struct tpm_heat like) {
    uint64_t most = heats->room / 16 < TPM_HEAT_MOST ? heats->room / 16 : TPM_HEAT_MOST;
    if (most < TPM_HEAT_LEAST) return NULL;
    while (tpmi_granules(&like) > most)
        like.shift++;
    like.counts = heats->host->get(tpmi_counts_bytes(&like));
    if (like.counts == NULL) return NULL;
    like.misses = (uint32_t *)(like.counts + tpmi_granules(&like));
    struct tpm_heat *heat = tpm_pool_take(&heats->lanes);
    if (heat == NULL) {
        heats->host->put(like.counts, tpmi_counts_bytes(&like));
        return NULL;
    }
    *heat = like;
    heats->room -= tpmi_granules(heat);
    return heat;
}

struct tpm_heat *tpm_heats_lane(struct tpm_heats *heats, uint32_t object, uint64_t bytes) {
    if (heats->least_bytes == 0 || bytes < heats->least_bytes || object >= TPM_OBJECT_FIRST_PSEUDO)
        return NULL;
    uint64_t hash = (bytes + object * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    struct tpm_heat like = {.bytes = bytes, .object = object, .shift = TPM_HEAT_LINE_BITS};
    /* Lanes of one object and size stand in the order of their numbers: a new one is put last. */
    struct tpm_heat **place = &heats->bucket[hash >> 32 & (TPM_HEAT_BUCKETS - 1)];
    for (; *place != NULL; place = &(*place)->next) {
        if ((*place)->object != object || (*place)->bytes != bytes) continue;
        if ((*place)->users == 0) return *place;
        like.lane++;
    }
    *place = tpmi_heat_new(heats, like);
    heats->left_out += *place == NULL;
    return *place;
}

/* Writes the granules of `counted`. */
static void tpmi_tell(const struct tpm_heats *heats, const struct tpm_heat *heat,
                      const struct tpx_granule *counted, uint32_t count) {
    struct tpx_heat record = {.object = heat->object,
                              .lane = heat->lane,
                              .bytes = heat->bytes,
                              .weight = heats->weight,
                              .granule_bytes = 1ull << heat->shift,
                              .n_granules = count};
    tpm_output_record(heats->output, TPX_HEAT, &record, sizeof record, counted, count * sizeof *counted);
}

void tpm_heat_write(struct tpm_heats *heats, struct tpm_heat *heat, bool drop) {
    static struct tpx_granule counted[TPMI_AT_ONCE]; /* too large for the engine's stack */
    uint32_t held = 0;
    for (uint64_t i = 0, end = tpmi_granules(heat); i < end; i++) {
        uint64_t count = heat->counts[i];
        if (count == 0 && heat->misses[i] == 0) continue;
        counted[held++] =
            (struct tpx_granule){(uint32_t)i, (uint32_t)count, (uint32_t)(count >> 32), heat->misses[i]};
        heat->counts[i] = heat->misses[i] = 0;
        if (held == TPMI_AT_ONCE) {
            if (!drop) tpmi_tell(heats, heat, counted, held);
            held = 0;
        }
    }
    if (held > 0 && !drop) tpmi_tell(heats, heat, counted, held);
}

void tpm_heats_write(struct tpm_heats *heats, bool drop) {
    for (uint32_t i = 0; i < TPM_HEAT_BUCKETS; i++)
        for (struct tpm_heat *heat = heats->bucket[i]; heat != NULL; heat = heat->next)
            tpm_heat_write(heats, heat, drop);
}

void tpm_heats_weigh(struct tpm_heats *heats, double weight) {
    if (weight == heats->weight) return;
    tpm_heats_write(heats, false);
    heats->weight = weight;
}
