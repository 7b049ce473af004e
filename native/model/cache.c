/* cache.c - the way of an access through the hierarchy, and of the prefetches that it sets off.
 *
 * The order in which things happen is part of the model, since the reference in the tests follows it: a line
 * is read from memory before anything is written for it; the line that L3 loses for it goes first, then L2's,
 * then L1's; prefetches come after the demand line is in place: next line, stream, stride.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "cache.h"

#include "combine.h"
#include "moves.h"
#include "share.h"

/* The access that is being dealt with. */
struct tpmi_request {
    struct tpm_caches *caches;
    struct tpm_private *own;
    struct tpm_outcome *out;
    uint32_t core, object;
};

/* What lies below L2. Returns enum tpx_class; the line is in L3 then. */
static inline unsigned tpmi_fetch(const struct tpmi_request *by, uint64_t line, struct tpm_place at) {
    struct tpm_caches *caches = by->caches;
    bool hit;
    uint64_t victim, *word = tpmi_level_use(&caches->l3, at, &hit, &victim);
    if (hit) return TPX_L3;
    *word = tpmi_word(at, by->object, 0);
    unsigned class = tpm_buffers_read(&caches->buffers, line);
    if (class != TPX_NEAR) ++by->out->read_blocks;
    if (caches->lines) {
        uint64_t page = line >> TPM_PAGE_LINES_BITS;
        if (tpmi_reuse_samples(caches->lines, line))
            tpm_reuse_touch(caches->lines, line, by->object, caches->counting);
        if (tpmi_reuse_samples(caches->pages, page))
            tpm_reuse_touch(caches->pages, page, by->object, caches->counting);
    }
    tpmi_leave_l3(caches, at.number, victim);
    return class;
}

/* Counts a line that a prefetch fetched; returns the flags it gets. */
static inline uint64_t tpmi_prefetched(const struct tpmi_request *by, unsigned class) {
    if (class == TPX_L3) return TPM_PREFETCHED;
    ++by->out->prefetched_lines;
    return TPM_PREFETCHED | TPM_FROM_MEMORY;
}

/* A prefetcher of L2 wants the line there. */
static void tpmi_prefetch_l2(const struct tpmi_request *by, uint64_t line) {
    struct tpm_sets *l2 = &by->own->l2;
    struct tpm_place at = tpmi_level_place(l2, line);
    const struct tpm_combining *combining = &by->own->combining;
    if (tpmi_level_find(l2, at) < l2->ways) return;
    if (combining->open && tpmi_combining_find(combining, line) < combining->open) return;
    struct tpm_place in_l3 = tpmi_level_place(&by->caches->l3, line);
    tpmi_level_expect(&by->caches->l3, in_l3);
    if (tpmi_share_matters(by->caches, by->core)) tpm_share_read(by->caches, by->core, line);
    bool hit;
    uint64_t victim, *word = tpmi_level_use(l2, at, &hit, &victim);
    *word = tpmi_word(at, by->object, tpmi_prefetched(by, tpmi_fetch(by, line, in_l3)));
    tpmi_leave_l2(by->caches, by->own, at.number, victim);
}

/* A request for `line` came to L2, and `missed` it or not: what L2's prefetchers make of it. */
static void tpmi_l2_was_asked(const struct tpmi_request *by, uint64_t line, bool missed) {
    const struct tpm_config *config = &by->caches->config;
    uint64_t lines[TPM_AHEAD];
    if (by->own->l2.count == 0) return;
    if (missed && config->prefetch_next_line) tpmi_prefetch_l2(by, line ^ 1);
    if (!config->prefetch_stream) return;
    unsigned count =
        tpm_streams_observe(&by->own->streams, line, (unsigned)config->prefetch_stream_depth, lines);
    for (unsigned i = 0; i < count; ++i)
        tpmi_prefetch_l2(by, lines[i]);
}

struct tpmi_found {
    unsigned answer, class; /* enum tpm_answer; enum tpx_class where it is beyond L2 */
    uint64_t flags;         /* of the line in L2, if it was there: they are taken from it */
};

/* A line that L1 lacks. It is in L2 and L3 then; the caller puts it into L1. */
static inline struct tpmi_found tpmi_ask_l2(const struct tpmi_request *by, uint64_t line, bool store) {
    struct tpm_private *own = by->own;
    if (own->combining.open) {
        uint32_t number = tpmi_combining_find(&own->combining, line);
        if (number < own->combining.open) tpm_combine_write(by->caches, by->core, number);
    }
    if (tpmi_share_matters(by->caches, by->core)) {
        if (store)
            tpm_share_write(by->caches, by->core, line);
        else
            tpm_share_read(by->caches, by->core, line);
    }
    struct tpmi_found found = {TPM_L2, TPX_L3, 0};
    struct tpm_place in_l3 = tpmi_level_place(&by->caches->l3, line);
    tpmi_level_expect(&by->caches->l3, in_l3);
    if (own->l2.count) {
        struct tpm_place at = tpmi_level_place(&own->l2, line);
        bool hit;
        uint64_t victim, *word = tpmi_level_use(&own->l2, at, &hit, &victim);
        if (hit) {
            found.flags = *word & (TPM_PREFETCHED | TPM_FROM_MEMORY);
            *word &= ~(TPM_PREFETCHED | TPM_FROM_MEMORY);
            return found;
        }
        *word = tpmi_word(at, by->object, 0);
        found.class = tpmi_fetch(by, line, in_l3);
        tpmi_leave_l2(by->caches, own, at.number, victim);
    } else {
        found.class = tpmi_fetch(by, line, in_l3);
    }
    found.answer = found.class == TPX_L3 ? TPM_L3 : TPM_MEMORY;
    return found;
}

/* The stride prefetcher, or a prefetch instruction, wants the line in L1. */
static void tpmi_prefetch_l1(const struct tpmi_request *by, uint64_t line) {
    struct tpm_sets *l1 = &by->own->l1;
    struct tpm_place at = tpmi_level_place(l1, line);
    if (tpmi_level_find(l1, at) < l1->ways) return;
    bool hit;
    uint64_t victim, *word = tpmi_level_use(l1, at, &hit, &victim);
    struct tpmi_found found = tpmi_ask_l2(by, line, false);
    uint64_t flags = found.answer == TPM_L2 ? TPM_PREFETCHED | found.flags : tpmi_prefetched(by, found.class);
    *word = tpmi_word(at, by->object, flags);
    tpmi_leave_l1(by->caches, by->own, at.number, victim);
    tpmi_l2_was_asked(by, line, found.answer != TPM_L2);
}

static void tpmi_count_miss(struct tpm_outcome *out, struct tpmi_found found) {
    ++out->l1_misses;
    if (found.flags & TPM_FROM_MEMORY) ++out->prefetched_used;
    if (found.answer > out->answer) out->answer = (uint8_t)found.answer;
    if (found.answer == TPM_L2) return;
    ++out->l2_misses;
    ++out->by_class[found.class];
    if (found.class > out->node_class) out->node_class = (uint8_t)found.class;
}

/* A load or store of one line that L1 lacks. */
static void tpmi_miss(const struct tpmi_request *by, struct tpm_place at, uint64_t line, bool store) {
    uint64_t victim, *word = tpmi_sets_insert(&by->own->l1, at, &victim);
    *word = tpmi_word(at, by->object, store ? TPM_DIRTY : 0);
    struct tpmi_found found = tpmi_ask_l2(by, line, store);
    tpmi_leave_l1(by->caches, by->own, at.number, victim);
    tpmi_count_miss(by->out, found);
    tpmi_l2_was_asked(by, line, found.answer != TPM_L2);
}

/* A load or store of one line. True if it is one that the stride prefetcher learns from. */
static inline bool tpmi_demand(const struct tpmi_request *by, uint64_t line, bool store) {
    struct tpm_sets *l1 = &by->own->l1;
    uint64_t number = line & (l1->count - 1);
    struct tpm_place at = {l1->words + number * l1->stride, (line >> by->own->l1_set_bits) + 1,
                           (uint32_t)number};
    uint32_t slot = tpmi_level_find(l1, at);
    if (slot == l1->ways) {
        tpmi_miss(by, at, line, store);
        return true;
    }
    uint64_t *word = tpmi_sets_promote(l1, at, slot), before = *word;
    bool first_use = before & TPM_PREFETCHED;
    if (first_use) {
        if (before & TPM_FROM_MEMORY) ++by->out->prefetched_used;
        *word = before & ~(TPM_PREFETCHED | TPM_FROM_MEMORY);
    }
    if (store && !(before & TPM_DIRTY)) {
        if (tpmi_share_matters(by->caches, by->core)) tpm_share_write(by->caches, by->core, line);
        *word = tpmi_word(at, by->object, TPM_DIRTY);
    }
    return first_use;
}

static inline void tpmi_translate(const struct tpmi_request *by, uint64_t page) {
    struct tpm_outcome *out = by->out;
    enum tpm_translation translation = tpm_tlb_translate(&by->own->tlb, page);
    if (translation == TPM_TLB_HIT) return;
    ++out->tlb1_misses;
    out->walks += translation == TPM_TLB_WALK;
    if (translation > out->translation) out->translation = (uint8_t)translation;
}

static void tpmi_learn_stride(const struct tpmi_request *by, uint64_t pc, uint64_t address) {
    uint64_t lines[TPM_AHEAD];
    unsigned count = tpm_strides_observe(&by->own->strides, pc, address, lines);
    for (unsigned i = 0; i < count; ++i)
        tpmi_prefetch_l1(by, lines[i]);
}

static void tpmi_store_past(const struct tpmi_request *by, uint64_t first, uint64_t last) {
    for (uint64_t line = first >> TPM_LINE_BITS; line <= last >> TPM_LINE_BITS; ++line) {
        uint64_t bytes = UINT64_MAX;
        if (line == first >> TPM_LINE_BITS) bytes <<= first % TPM_LINE_BYTES;
        if (line == last >> TPM_LINE_BITS)
            bytes &= UINT64_MAX >> (TPM_LINE_BYTES - 1 - last % TPM_LINE_BYTES);
        tpm_combine_store(by->caches, by->core, line, bytes, by->object);
    }
}

/* Any access, from byte `first` on. */
static void tpmi_access(const struct tpmi_request *by, uint64_t first, const struct tpm_access *access) {
    enum tpm_kind kind = access->kind;
    if (kind == TPM_FENCE || kind == TPM_UPDATE) tpm_caches_drain(by->caches, by->core);
    if (kind == TPM_FENCE) return;
    uint64_t last = first + access->bytes - 1;
    uint32_t page_bits = by->own->tlb.page_bits;
    for (uint64_t page = first >> page_bits; page <= last >> page_bits; ++page)
        tpmi_translate(by, page);
    if (kind == TPM_STORE_NT) {
        tpmi_store_past(by, first, last);
        return;
    }
    bool learn = false;
    for (uint64_t line = first >> TPM_LINE_BITS; line <= last >> TPM_LINE_BITS; ++line) {
        if (kind == TPM_PREFETCH)
            tpmi_prefetch_l1(by, line);
        else
            learn |= tpmi_demand(by, line, kind != TPM_LOAD);
    }
    if (learn && kind != TPM_STORE && by->caches->config.prefetch_stride)
        tpmi_learn_stride(by, access->pc, first);
}

void tpm_caches_access(struct tpm_caches *caches, uint32_t core, uint64_t address,
                       const struct tpm_access *access, uint32_t object, struct tpm_outcome *out) {
    *out = (struct tpm_outcome){0};
    uint64_t first = address & ((1ull << TPM_ADDRESS_BITS) - 1);
    const struct tpmi_request by = {caches, &caches->own[core], out, core, object};
    if (access->kind > TPM_STORE || first % TPM_LINE_BYTES + access->bytes > TPM_LINE_BYTES) {
        tpmi_access(&by, first, access);
        return;
    }
    /* The same for what is commonest: a load or a store within a line. */
    if (!tpmi_tlb_recent(&by.own->tlb, first)) tpmi_translate(&by, first >> by.own->tlb.page_bits);
    bool learn = tpmi_demand(&by, first >> TPM_LINE_BITS, access->kind == TPM_STORE);
    if (learn && access->kind == TPM_LOAD && caches->config.prefetch_stride)
        tpmi_learn_stride(&by, access->pc, first);
}

bool tpm_caches_is_hit(const struct tpm_caches *caches, uint32_t core, uint64_t address,
                       const struct tpm_access *access) {
    return tpm_caches_hit(caches, core, address, access);
}

void tpm_caches_drain(struct tpm_caches *caches, uint32_t core) {
    while (caches->own[core].combining.open)
        tpm_combine_write(caches, core, 0);
}

static bool tpmi_private_new(struct tpm_private *own, const struct tpm_config *config,
                             const struct tpm_host *host) {
    bool l1 = tpm_level_new(&own->l1, config->l1_bytes, config->l1_ways, config->pseudo_lru, host);
    bool l2 = tpm_level_new(&own->l2, config->l2_bytes, config->l2_ways, config->pseudo_lru, host);
    own->l1_set_bits = 63 - (uint32_t)__builtin_clzll(config->l1_bytes / (config->l1_ways * TPM_LINE_BYTES));
    bool streams = tpm_streams_new(&own->streams, host);
    return tpm_tlb_new(&own->tlb, config, host) && l1 && l2 && streams;
}

static bool tpmi_shared_new(struct tpm_caches *caches) {
    const struct tpm_config *config = &caches->config;
    const struct tpm_host *host = &caches->host;
    bool good = tpm_level_new(&caches->l3, config->l3_bytes, config->l3_ways, config->pseudo_lru, host);
    good = tpm_buffers_new(&caches->buffers, config, host) && good;
    if (config->cores > 1) {
        caches->sharing = host->get(sizeof *caches->sharing);
        good = good && caches->sharing;
    }
    if (config->reuse_every) {
        caches->lines = tpm_reuse_new(TPM_LINE_BYTES, config->reuse_every, config->seed, host);
        caches->pages =
            tpm_reuse_new(TPM_LINE_BYTES << TPM_PAGE_LINES_BITS, config->reuse_every, config->seed, host);
        good = good && caches->lines && caches->pages;
    }
    return good;
}

struct tpm_caches *tpm_caches_new(const struct tpm_config *config, const struct tpm_host *host,
                                  tpm_written *written, void *context) {
    struct tpm_caches *caches = host->get(sizeof *caches);
    if (!caches) return NULL;
    *caches =
        (struct tpm_caches){.config = *config, .host = *host, .written = written, .written_context = context};
    caches->counting = true;
    caches->own = host->get(config->cores * sizeof *caches->own);
    bool good = tpmi_shared_new(caches) && caches->own;
    for (uint32_t core = 0; good && core < config->cores; ++core)
        good = tpmi_private_new(&caches->own[core], &caches->config, host);
    if (good) return caches;
    tpm_caches_free(caches);
    return NULL;
}

void tpm_caches_free(struct tpm_caches *caches) {
    struct tpm_host host = caches->host;
    for (uint32_t core = 0; caches->own && core < caches->config.cores; ++core) {
        struct tpm_private *own = &caches->own[core];
        tpm_sets_free(&own->l1, &host);
        tpm_sets_free(&own->l2, &host);
        tpm_tlb_free(&own->tlb, &host);
        tpm_streams_free(&own->streams, &host);
    }
    if (caches->own) host.put(caches->own, caches->config.cores * sizeof *caches->own);
    tpm_sets_free(&caches->l3, &host);
    tpm_buffers_free(&caches->buffers, &host);
    if (caches->sharing) host.put(caches->sharing, sizeof *caches->sharing);
    tpm_reuse_free(caches->lines);
    tpm_reuse_free(caches->pages);
    host.put(caches, sizeof *caches);
}
