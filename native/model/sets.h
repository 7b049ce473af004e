/* sets.h - sets of words with an order of use: what caches, TLBs and the tier's own buffers are made of.
 *
 * A set's most recent word lies in slot 0, so that one look finds it again. Of 5 to 16 ways the other slots
 * are listed, most recent first, in one 64-bit number of four bits a slot: using a word swaps it with slot 0
 * and moves its slot to the head of the list, a handful of operations whatever the number of ways. Fewer ways
 * are kept in order of use themselves, and so are more, which the list cannot hold. Tree pseudo-LRU leaves
 * words where they are and keeps a bit for each node of a tree over the slots.
 *
 * Inlined because every access but the plainest comes through here.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_SETS_H
#define TPM_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct tpm_host;

/* Division by a number that is known before the run: one multiplication. */
struct tpm_divisor {
    uint64_t value, reciprocal; /* ceil(2^64 / value) */
};

/* `value`: 2 .. 2^22, or a power of two from 2 on. Quotients are exact for dividends below 2^42: the
 * reciprocal is too large by less than `value` / 2^64 of itself, and that times the dividend stays below one.
 */
struct tpm_divisor tpm_divisor_of(uint64_t value);

static inline uint64_t tpmi_quotient(struct tpm_divisor by, uint64_t of) {
    return (uint64_t)(((unsigned __int128)of * by.reciprocal) >> 64);
}

/* Slots 1 .. 15 take 60 bits. */
#define TPM_LEAST_LISTED_WAYS 5u
#define TPM_MOST_LISTED_WAYS 16u

struct tpm_sets {
    uint64_t *words; /* `count` sets of `stride` words, the first `ways` of them used; 0: empty */
    uint64_t *lists; /* LRU of 5 .. 16 ways: a set's list, XOR `fresh_list`, so that fresh memory is a list */
    uint32_t *trees; /* pseudo-LRU: bit n is node n; set: its second half was used longer ago */
    uint64_t fresh_list, list_mask;
    uint32_t count, ways, stride, last_shift; /* last_shift: where the list's last slot stands in it */
    struct tpm_divisor divisor;
};

/* No entries make sets that hold nothing. False: no memory. `ways` must divide `entries`, or the rest is left
 * out. */
bool tpm_sets_new(struct tpm_sets *sets, uint64_t entries, uint32_t ways, bool pseudo_lru,
                  const struct tpm_host *host);
void tpm_sets_free(struct tpm_sets *sets, const struct tpm_host *host);

/* One set, and what in it a key is compared with. */
struct tpm_place {
    uint64_t *set;
    uint64_t key;    /* not 0 */
    uint32_t number; /* of the set */
};

#ifdef __SSE2__
/* All ones where the lower half of a slot, of four from `slots` on, equals all of `key`. */
static inline __m128i tpmi_four_alike(const uint64_t *slots, __m128i key) {
    __m128 low = _mm_castsi128_ps(_mm_load_si128((const __m128i *)slots));
    __m128 high = _mm_castsi128_ps(_mm_load_si128((const __m128i *)(slots + 2)));
    return _mm_cmpeq_epi32(_mm_castps_si128(_mm_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0))), key);
}

/* The same for eight, in half the width. */
static inline __m128i tpmi_eight_alike(const uint64_t *slots, __m128i key) {
    return _mm_packs_epi32(tpmi_four_alike(slots, key), tpmi_four_alike(slots + 4, key));
}

static inline uint64_t tpmi_mask_of(__m128i first, __m128i second) {
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(first, second));
}
#endif

/* Bit i: the lower halves of slot i and `key` are the same. Slots past the ways are empty. */
static inline uint64_t tpmi_alike(const struct tpm_sets *sets, struct tpm_place at) {
    const uint64_t *set = at.set;
    uint64_t alike = 0;
    uint32_t slot = 0;
#ifdef __SSE2__
    const __m128i key = _mm_set1_epi32((int)(uint32_t)at.key);
    if (sets->stride == 4) return (uint64_t)_mm_movemask_ps(_mm_castsi128_ps(tpmi_four_alike(set, key)));
    if (sets->stride == 8) return tpmi_mask_of(tpmi_eight_alike(set, key), _mm_setzero_si128());
    do {
        __m128i first = tpmi_eight_alike(set + slot, key), second = tpmi_eight_alike(set + slot + 8, key);
        alike |= tpmi_mask_of(first, second) << slot;
    } while ((slot += 16) < sets->stride);
#else
    for (; slot < sets->stride; ++slot)
        alike |= (uint64_t)((uint32_t)set[slot] == (uint32_t)at.key) << slot;
#endif
    return alike;
}

/* The slot whose word equals the key in the bits of `mask` (the lower half is in it); `ways`: none. Changes
 * nothing. */
static inline uint32_t tpmi_sets_find(const struct tpm_sets *sets, struct tpm_place at, uint64_t mask) {
    for (uint64_t alike = tpmi_alike(sets, at); alike; alike &= alike - 1) {
        uint32_t slot = (uint32_t)__builtin_ctzll(alike);
        if (!((at.set[slot] ^ at.key) & mask)) return slot;
    }
    return sets->ways;
}

#define TPMI_EACH_SLOT 0x111111111111111u

/* Where `slot` stands in the list, as a shift. The lowest of the bits of `zero` is right; higher ones may not
 * be. */
static inline uint32_t tpmi_list_find(uint64_t list, uint32_t slot) {
    uint64_t differs = list ^ slot * TPMI_EACH_SLOT;
    uint64_t zero = (differs - TPMI_EACH_SLOT) & ~differs & 8 * TPMI_EACH_SLOT;
    return (uint32_t)__builtin_ctzll(zero) - 3;
}

/* Swaps slot 0 with `slot`, which stands at `shift` in the list, and puts it at the head. Not slot 0. */
static inline uint64_t *tpmi_list_promote(const struct tpm_sets *sets, struct tpm_place at, uint64_t list,
                                          uint32_t shift, uint32_t slot) {
    uint64_t word = at.set[slot], before = (1ull << shift) - 1;
    at.set[slot] = at.set[0];
    at.set[0] = word;
    list = ((list & ~(before << 4 | 15)) | (list & before) << 4 | slot) & sets->list_mask;
    sets->lists[at.number] = list ^ sets->fresh_list;
    return at.set;
}

static inline uint64_t *tpmi_order_promote(struct tpm_place at, uint32_t slot) {
    uint64_t carried = at.set[0];
    at.set[0] = at.set[slot];
    for (uint32_t to = 1; to <= slot; ++to) {
        uint64_t here = at.set[to];
        at.set[to] = carried;
        carried = here;
    }
    return at.set;
}

uint64_t *tpmi_tree_promote(const struct tpm_sets *sets, struct tpm_place at, uint32_t slot);
uint64_t *tpmi_tree_insert(const struct tpm_sets *sets, struct tpm_place at, uint64_t *victim);

/* The word in `slot` becomes the most recent of its set. Returns its new place. */
static inline uint64_t *tpmi_sets_promote(const struct tpm_sets *sets, struct tpm_place at, uint32_t slot) {
    if (sets->trees) return tpmi_tree_promote(sets, at, slot);
    if (slot == 0) return at.set;
    if (!sets->lists) return tpmi_order_promote(at, slot);
    uint64_t list = sets->lists[at.number] ^ sets->fresh_list;
    return tpmi_list_promote(sets, at, list, tpmi_list_find(list, slot), slot);
}

/* Makes room in the set, for a word that is its most recent; the caller must write it to the place returned.
 * `*victim`: the word that left for it, 0 when a slot was empty. */
static inline uint64_t *tpmi_sets_insert(const struct tpm_sets *sets, struct tpm_place at, uint64_t *victim) {
    if (sets->trees) return tpmi_tree_insert(sets, at, victim);
    if (!sets->lists) {
        *victim = at.set[sets->ways - 1];
        return tpmi_order_promote(at, sets->ways - 1);
    }
    uint64_t list = sets->lists[at.number] ^ sets->fresh_list;
    uint32_t oldest = (uint32_t)(list >> sets->last_shift) & 15;
    *victim = at.set[oldest];
    return tpmi_list_promote(sets, at, list, sets->last_shift, oldest);
}

/* Either. `*hit`: the key's word was there; `*victim` is 0 then. */
static inline uint64_t *tpmi_sets_use(const struct tpm_sets *sets, struct tpm_place at, uint64_t mask,
                                      bool *hit, uint64_t *victim) {
    uint32_t slot = tpmi_sets_find(sets, at, mask);
    *hit = slot < sets->ways;
    *victim = 0;
    return *hit ? tpmi_sets_promote(sets, at, slot) : tpmi_sets_insert(sets, at, victim);
}

/* Empties `slot`; it is the next one to be filled. */
void tpmi_sets_remove(const struct tpm_sets *sets, struct tpm_place at, uint32_t slot);

/* Sets of mere numbers below 2^42: a word is the number plus one. */
static inline struct tpm_place tpmi_number_place(const struct tpm_sets *sets, uint64_t number) {
    uint64_t set = sets->count == 1 ? 0 : number - tpmi_quotient(sets->divisor, number) * sets->count;
    return (struct tpm_place){sets->words + set * sets->stride, number + 1, (uint32_t)set};
}

/* Was `number` there? It is the most recent of its set now. */
static inline bool tpmi_number_use(const struct tpm_sets *sets, uint64_t number) {
    if (sets->ways == 0) return false;
    bool hit;
    uint64_t victim;
    *tpmi_sets_use(sets, tpmi_number_place(sets, number), UINT64_MAX, &hit, &victim) = number + 1;
    return hit;
}

/* Is `number` there? Leaves the order alone. */
static inline bool tpmi_number_held(const struct tpm_sets *sets, uint64_t number) {
    return sets->ways && tpmi_sets_find(sets, tpmi_number_place(sets, number), UINT64_MAX) < sets->ways;
}

#endif
