/* reuse.c - SHARDS with exact distances among the granules that are tracked.
 *
 * Tracked granules stand in a row of places in the order of their last use; a Fenwick tree over the row
 * counts those behind a place. A use moves its granule to the row's end; when the row is full it is closed
 * up.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "reuse.h"

#include "sim.h"

#define TPMI_PLACES (2 * TPM_REUSE_TRACKED)
#define TPMI_SLOTS (2 * TPM_REUSE_TRACKED) /* of the hash tables */
#define TPMI_CHUNK 256u                    /* histograms that are allocated together */
#define TPMI_BINS (sizeof((struct tpx_reuse *)0)->bins / sizeof(double))

struct tpm_reuse {
    struct tpm_sample sample; /* first: reuse.h */
    struct tpm_host host;
    double weight;                      /* 2^32 / the threshold */
    uint32_t granule_bytes, live, used; /* used: places up to the row's end */
    uint32_t n_histograms;
    uint32_t slots[TPMI_SLOTS];                   /* a granule's place; 0: none */
    uint32_t behind[TPMI_PLACES + 1];             /* Fenwick tree: 1 for each place in use */
    uint64_t granules[TPMI_PLACES + 1];           /* plus one; 0: left for a later place */
    uint32_t histogram_of[2 * TPM_REUSE_OBJECTS]; /* by hash of the object: its histogram's number plus one */
    struct tpx_reuse *chunks[TPM_REUSE_OBJECTS / TPMI_CHUNK];
};

struct tpm_reuse *tpm_reuse_new(uint32_t granule_bytes, uint64_t every, uint64_t seed,
                                const struct tpm_host *host) {
    struct tpm_reuse *reuse = host->get(sizeof *reuse);
    if (!reuse) return NULL;
    reuse->host = *host;
    reuse->granule_bytes = granule_bytes;
    reuse->sample.seed = (seed + 1) * 0x9e3779b97f4a7c15u;
    reuse->sample.threshold = (1ull << 32) / every;
    reuse->weight = 4294967296.0 / (double)reuse->sample.threshold;
    return reuse;
}

void tpm_reuse_free(struct tpm_reuse *reuse) {
    if (!reuse) return;
    struct tpm_host host = reuse->host;
    for (uint32_t i = 0; i < TPM_REUSE_OBJECTS / TPMI_CHUNK; ++i)
        if (reuse->chunks[i]) host.put(reuse->chunks[i], TPMI_CHUNK * sizeof **reuse->chunks);
    host.put(reuse, sizeof *reuse);
}

static void tpmi_row_add(struct tpm_reuse *reuse, uint32_t place, uint32_t by) {
    for (; place <= TPMI_PLACES; place += place & -place)
        reuse->behind[place] += by;
}

static uint32_t tpmi_row_up_to(const struct tpm_reuse *reuse, uint32_t place) {
    uint32_t count = 0;
    for (; place; place &= place - 1)
        count += reuse->behind[place];
    return count;
}

/* The slot that has the granule, or the empty one where it would be. */
static uint32_t *tpmi_slot(struct tpm_reuse *reuse, uint64_t granule, uint64_t hash) {
    uint64_t slot = hash % TPMI_SLOTS;
    while (reuse->slots[slot] && reuse->granules[reuse->slots[slot]] != granule + 1)
        slot = (slot + 1) % TPMI_SLOTS;
    return &reuse->slots[slot];
}

/* Closes the row up, without the granules that the threshold leaves out now. */
static void tpmi_close_up(struct tpm_reuse *reuse) {
    uint32_t live = 0;
    for (uint32_t i = 0; i < TPMI_SLOTS; ++i)
        reuse->slots[i] = 0;
    for (uint32_t place = 1; place <= reuse->used; ++place) {
        uint64_t granule = reuse->granules[place] - 1, hash = tpmi_granule_hash(&reuse->sample, granule);
        bool stays = reuse->granules[place] && hash >> 32 < reuse->sample.threshold;
        reuse->granules[place] = 0;
        if (!stays) continue;
        *tpmi_slot(reuse, granule, hash) = ++live;
        reuse->granules[live] = granule + 1;
    }
    for (uint32_t place = 1; place <= TPMI_PLACES; ++place) {
        uint32_t first = place & (place - 1); /* the node counts the places first + 1 .. place */
        reuse->behind[place] = first >= live ? 0 : (place < live ? place : live) - first;
    }
    reuse->live = reuse->used = live;
}

static void tpmi_append(struct tpm_reuse *reuse, uint64_t granule, uint32_t *slot) {
    *slot = ++reuse->used;
    reuse->granules[*slot] = granule + 1;
    tpmi_row_add(reuse, *slot, 1);
}

static struct tpx_reuse *tpmi_histogram(const struct tpm_reuse *reuse, uint32_t index) {
    return &reuse->chunks[index / TPMI_CHUNK][index % TPMI_CHUNK];
}

/* The object's histogram, made if need be; NULL: neither room nor memory for it. */
static struct tpx_reuse *tpmi_histogram_of(struct tpm_reuse *reuse, uint32_t object) {
    uint64_t slot = tpmi_hash(object) % (2 * TPM_REUSE_OBJECTS);
    for (; reuse->histogram_of[slot]; slot = (slot + 1) % (2 * TPM_REUSE_OBJECTS)) {
        struct tpx_reuse *here = tpmi_histogram(reuse, reuse->histogram_of[slot] - 1);
        if (here->object == object) return here;
    }
    /* The last one is kept for those that find no room. */
    uint32_t index = reuse->n_histograms;
    if (index >= TPM_REUSE_OBJECTS - (object != TPM_OBJECT_UNKNOWN)) return NULL;
    struct tpx_reuse **chunk = &reuse->chunks[index / TPMI_CHUNK];
    if (!*chunk) *chunk = reuse->host.get(TPMI_CHUNK * sizeof **chunk);
    if (!*chunk) return NULL;
    reuse->histogram_of[slot] = ++reuse->n_histograms;
    struct tpx_reuse *fresh = tpmi_histogram(reuse, index);
    fresh->object = object;
    fresh->granule_bytes = reuse->granule_bytes;
    return fresh;
}

/* `others`: tracked granules used since; UINT32_MAX: a first use. */
static void tpmi_record(struct tpm_reuse *reuse, uint32_t object, uint32_t others) {
    struct tpx_reuse *histogram = tpmi_histogram_of(reuse, object);
    if (!histogram) histogram = tpmi_histogram_of(reuse, TPM_OBJECT_UNKNOWN);
    if (!histogram) return;
    if (others == UINT32_MAX) {
        histogram->cold += reuse->weight;
        return;
    }
    uint64_t distance = (uint64_t)((double)others * reuse->weight) + 1;
    uint32_t bin = 63 - (uint32_t)__builtin_clzll(distance);
    histogram->bins[bin < TPMI_BINS ? bin : TPMI_BINS - 1] += reuse->weight;
}

void tpm_reuse_touch(struct tpm_reuse *reuse, uint64_t granule, uint32_t object, bool counted) {
    uint64_t hash = tpmi_granule_hash(&reuse->sample, granule);
    if (hash >> 32 >= reuse->sample.threshold) return;
    if (reuse->used == TPMI_PLACES) tpmi_close_up(reuse);
    uint32_t *slot = tpmi_slot(reuse, granule, hash), place = *slot;
    if (place == 0) {
        if (counted) tpmi_record(reuse, object, UINT32_MAX);
        tpmi_append(reuse, granule, slot);
        if (++reuse->live <= TPM_REUSE_TRACKED || reuse->sample.threshold == 1) return;
        reuse->sample.threshold /= 2;
        reuse->weight = 4294967296.0 / (double)reuse->sample.threshold;
        tpmi_close_up(reuse);
        return;
    }
    if (counted) tpmi_record(reuse, object, reuse->live - tpmi_row_up_to(reuse, place));
    reuse->granules[place] = 0;
    tpmi_row_add(reuse, place, -1u);
    tpmi_append(reuse, granule, slot);
}

uint32_t tpm_reuse_count(const struct tpm_reuse *reuse) {
    return reuse->n_histograms;
}

const struct tpx_reuse *tpm_reuse_histogram(const struct tpm_reuse *reuse, uint32_t index) {
    return tpmi_histogram(reuse, index);
}
