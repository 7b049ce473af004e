/* context.c - see context.h. */
#include "context.h"

#include <string.h>

#include "../common/rawio.h"
#include "cache.h"

enum { TPI_TABLE_BYTES = TP_CONTEXT_WAYS * sizeof(struct tp_context) << TP_CONTEXT_SET_BITS };

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

static bool tpi_certain(const struct tp_context *context, struct tp_python_key python) {
    return context->whole && context->python.all == python.all &&
           tpi_sum(context->hook, context->words, context->n_words) == context->check;
}

struct tp_context *tp_context_certain(struct tp_thread *self, const uintptr_t *hook) {
    struct tp_context *context = self->recent;
    if (context == NULL) return NULL;
    struct tp_python_key python = tp_python_key(self);
    if (context->period != 1 && tpi_context_matches(context, hook, python.near) &&
        tpi_certain(context, python)) {
        context->countdown = context->period;
        return context;
    }
    context = tpi_context_set(self, hook, tpi_context_second(self, hook), python.near);
    for (unsigned way = 0; way < TP_CONTEXT_WAYS; way++, context++) {
        if (!tpi_context_matches(context, hook, python.near)) continue;
        bool same = !context->whole || tpi_certain(context, python);
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

static bool tpi_may_witness(const struct tp_context *context, unsigned i) {
    return context->witness_at == 1 || context->witness_at == context->words[i];
}

/* The first word in which two paths of one key differ, of those that are kept: until then their words lie at
 * the same places. TP_CONTEXT_NEAR: none, or either has a witness already that is another word. */
static unsigned tpi_witness(const struct tp_context *one, const struct tp_context *other) {
    for (unsigned i = 0; i < TP_CONTEXT_NEAR && i < one->n_words && i < other->n_words; i++) {
        if (one->words[i] != other->words[i]) break;
        if (one->near[i] == other->near[i]) continue;
        return tpi_may_witness(one, i) && tpi_may_witness(other, i) ? i : TP_CONTEXT_NEAR;
    }
    return TP_CONTEXT_NEAR;
}

static void tpi_set_witness(struct tp_context *context, unsigned i) {
    context->ambiguous |= i == TP_CONTEXT_NEAR;
    context->period = context->countdown = context->ambiguous ? 1 : TP_CONTEXT_CHECKED;
    if (i == TP_CONTEXT_NEAR) return;
    context->witness_at = context->words[i];
    context->witness = context->near[i];
}

/* Puts a new entry first in its set; the last one is what is lost. */
static struct tp_context *tpi_put(struct tp_context *set, const struct tp_context *fresh) {
    struct tp_context own = *fresh;
    for (unsigned way = 0; way + 1 < TP_CONTEXT_WAYS; way++) {
        struct tp_context *other = &set[way];
        if (!tpi_context_has_key(other, own.hook, own.python.near)) continue;
        unsigned witness = tpi_witness(&own, other);
        tpi_set_witness(other, witness);
        tpi_set_witness(&own, witness);
    }
    memmove(&set[1], &set[0], (TP_CONTEXT_WAYS - 1) * sizeof *set);
    set[0] = own;
    return set;
}

static bool tpi_have_table(struct tp_thread *self) {
    if (self->contexts == NULL) self->contexts = tp_raw_pages(TPI_TABLE_BYTES);
    return self->contexts != NULL;
}

struct tp_context *tp_context_learn(tp_guard *guard, const uintptr_t *hook, bool told, struct tp_site *site) {
    struct tp_thread *self = guard->self;
    struct tp_backtrace backtrace;
    struct tp_trail trail;
    uint32_t generation = __atomic_load_n(&tp_context_generation, __ATOMIC_ACQUIRE);
    tp_unwind_trail(guard, &backtrace, &trail);
    *site = tp_site_of(guard, &backtrace, told);
    self->pending.truncated += backtrace.truncated;
    self->pending.context_misses++;
    bool own = (uintptr_t)hook >= self->stack_low && (uintptr_t)hook < self->stack_high;
    bool empty = backtrace.n_frames == 0 && backtrace.python.n_frames == 0;
    if (!own || empty || trail.hook != hook || !tpi_have_table(self)) return NULL;
    tpi_learn_link(hook[1], trail.second);
    uint16_t second_at = trail.second != 0 ? trail.second : 1;
    struct tp_context fresh = {.hook = hook,
                               .pc = hook[1],
                               .second = hook[second_at],
                               .second_at = second_at,
                               .witness = hook[1],
                               .witness_at = 1,
                               .python = backtrace.python.key,
                               .generation = generation,
                               .countdown = TP_CONTEXT_CHECKED,
                               .period = TP_CONTEXT_CHECKED,
                               .site = *site,
                               .plain = site->number != TP_SITE_NONE && site->tier == 0 && !site->moves,
                               .whole = trail.whole,
                               .n_words = (uint8_t)(trail.whole ? trail.n_words : 0)};
    memcpy(fresh.words, trail.words, fresh.n_words * sizeof fresh.words[0]);
    for (unsigned i = 0; i < fresh.n_words && i < TP_CONTEXT_NEAR; i++)
        fresh.near[i] = hook[fresh.words[i]];
    fresh.check = tpi_sum(hook, fresh.words, fresh.n_words);
    if (site->pool != 0 && tp_cache_get(guard) != NULL) fresh.bins = tp_slabs_bins(site->pool);
    uintptr_t second = tpi_context_second(self, hook);
    struct tp_context *set = tpi_context_set(self, hook, second, fresh.python.near);
    struct tp_context *context = self->recent = tpi_put(set, &fresh);
    self->pending.context_keys++;
    return context;
}

struct tp_site tp_context_site(tp_guard *guard, const uintptr_t *hook) {
    struct tp_thread *self = guard->self;
    struct tp_site site;
    struct tp_context *context = hook != NULL ? tp_context_certain(self, hook) : NULL;
    bool known = context != NULL && context->whole;
    if (known && context->site.told) return context->site;
    if (hook != NULL && !known) {
        tp_context_learn(guard, hook, true, &site);
        return site;
    }
    struct tp_backtrace backtrace;
    tp_unwind(guard, &backtrace);
    site = tp_site_of(guard, &backtrace, true);
    if (known) context->site.told = true;
    if (!known) self->pending.truncated += backtrace.truncated;
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
