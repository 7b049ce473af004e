/* context.c - see context.h. */
#include "context.h"

#include <string.h>

#include "../common/rawio.h"
#include "cache.h"

enum { TPI_TABLE_BYTES = TP_CONTEXT_SETS * TP_CONTEXT_WAYS * sizeof(struct tp_context) };

uint32_t tp_context_generation = 1;
uint64_t tp_context_links[1u << TPI_LINK_BITS];

/* A sum of products with odd numbers: as good as the hash of return addresses that sites are found by, and
 * the products do not wait for each other. */
static uint64_t tpi_sum(const uintptr_t *hook, const uint16_t *words, unsigned n_words) {
    uint64_t sum = 0, factor = TPI_CONTEXT_FACTOR;
    for (unsigned i = 0; i < n_words; i++, factor += 2 * TPI_CONTEXT_FACTOR)
        sum += (hook[words[i]] ^ 0xa0761d6478bd642full) * factor;
    return sum;
}

static bool tpi_certain(const struct tp_context *context) {
    return context->whole && tpi_sum(context->hook, context->words, context->n_words) == context->check;
}

struct tp_context *tp_context_certain(struct tp_thread *self, const uintptr_t *hook) {
    struct tp_context *context = self->recent;
    if (context == NULL) return NULL;
    if (context->period != 1 && tpi_context_matches(context, hook) && tpi_certain(context)) {
        context->countdown = context->period;
        return context;
    }
    context = tpi_context_set(self, hook, tpi_context_second(self, hook));
    for (unsigned way = 0; way < TP_CONTEXT_WAYS; way++, context++) {
        if (!tpi_context_matches(context, hook)) continue;
        bool same = !context->whole || tpi_certain(context);
        if (!same) context->period = 1;
        context->countdown = context->period;
        if (same) return self->recent = context;
        self->pending.context_mismatches++;
    }
    return NULL;
}

/* Remembers where the caller's own return address lies. Of two callers that want the same link the first
 * keeps it: the other's paths have the shorter key. */
static void tpi_learn_link(uintptr_t pc, uint16_t second) {
    uint64_t *link = tpi_context_link(pc);
    uint64_t taken = __atomic_load_n(link, __ATOMIC_RELAXED);
    if (second != 0 && pc >> TPI_LINK_PC_BITS == 0 && taken == 0)
        __atomic_store_n(link, pc | (uint64_t)second << TPI_LINK_PC_BITS, __ATOMIC_RELAXED);
}

/* The newest of a set comes first; the other one is what is lost. */
static struct tp_context *tpi_make_room(struct tp_context *set, const uintptr_t *hook, uint32_t *period) {
    bool shared = tpi_context_matches(&set[0], hook) || tpi_context_matches(&set[1], hook);
    *period = shared ? 1 : TP_CONTEXT_CHECKED;
    set[1] = set[0];
    if (shared) set[1].period = set[1].countdown = 1;
    return &set[0];
}

static bool tpi_have_table(struct tp_thread *self) {
    if (self->contexts == NULL) self->contexts = tp_raw_pages(TPI_TABLE_BYTES);
    return self->contexts != NULL;
}

struct tp_context *tp_context_learn(tp_guard *guard, const uintptr_t *hook, struct tp_site *site) {
    struct tp_thread *self = guard->self;
    struct tp_backtrace backtrace;
    struct tp_trail trail;
    uint32_t generation = __atomic_load_n(&tp_context_generation, __ATOMIC_ACQUIRE);
    tp_unwind_trail(guard, &backtrace, &trail);
    *site = tp_site_of(guard, &backtrace);
    self->pending.truncated += backtrace.truncated;
    self->pending.context_misses++;
    bool own = (uintptr_t)hook >= self->stack_low && (uintptr_t)hook < self->stack_high;
    if (!own || backtrace.n_frames == 0 || trail.hook != hook || !tpi_have_table(self)) return NULL;
    tpi_learn_link(hook[1], trail.second);
    const uintptr_t *second_at = hook + (trail.second != 0 ? trail.second : 1);
    uint32_t period;
    struct tp_context *set = tpi_context_set(self, hook, tpi_context_second(self, hook));
    struct tp_context *context = self->recent = tpi_make_room(set, hook, &period);
    *context = (struct tp_context){.hook = hook,
                                   .pc = hook[1],
                                   .second = *second_at,
                                   .second_at = second_at,
                                   .generation = generation,
                                   .countdown = period,
                                   .period = period,
                                   .site = *site,
                                   .plain = site->number != TP_SITE_NONE && site->tier == 0 && !site->moves,
                                   .whole = trail.whole,
                                   .n_words = (uint8_t)(trail.whole ? trail.n_words : 0)};
    memcpy(context->words, trail.words, context->n_words * sizeof context->words[0]);
    context->check = tpi_sum(hook, context->words, context->n_words);
    if (site->pool != 0 && tp_cache_get(guard) != NULL) context->bins = tp_slabs_bins(site->pool);
    self->pending.context_keys++;
    return context;
}

struct tp_site tp_context_site(tp_guard *guard, const uintptr_t *hook) {
    struct tp_thread *self = guard->self;
    struct tp_site site;
    if (hook == NULL) {
        struct tp_backtrace backtrace;
        tp_unwind(guard, &backtrace);
        self->pending.truncated += backtrace.truncated;
        return tp_site_of(guard, &backtrace);
    }
    const struct tp_context *context = tp_context_certain(self, hook);
    if (context != NULL && context->whole) return context->site;
    tp_context_learn(guard, hook, &site);
    return site;
}

void tp_context_forget(void) {
    memset(tp_context_links, 0, sizeof tp_context_links);
    __atomic_fetch_add(&tp_context_generation, 1, __ATOMIC_ACQ_REL);
}

void tp_context_thread_end(tp_guard *guard) {
    struct tp_context *contexts = guard->self->contexts;
    guard->self->contexts = guard->self->recent = NULL;
    if (contexts != NULL) tp_raw_munmap(contexts, TPI_TABLE_BYTES);
}
