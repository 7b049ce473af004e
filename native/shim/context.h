/* context.h - knows a call path again without unwinding it: by the hook's caller, the caller's own return
 * address where that lies at a fixed place, and the height of the stack (Mytkowicz et al., Inferred Call
 * Path Profiling, OOPSLA 2009: these identify a call path almost uniquely). Paths that share a key are told
 * apart by a witness, the first word of the stack in which they differ. An entry keeps which words of the
 * stack the full unwinding followed: comparing them all makes a hit certain. In a Python process one native
 * path serves many lines: the innermost Python frames belong to the key, and all of them are compared with
 * the words.
 *
 * Each thread has a table of its own, so that the height is an address and nothing is shared. What other
 * threads know would save one unwinding a key and thread.
 */
#ifndef TP_CONTEXT_H
#define TP_CONTEXT_H

#include "sites.h"

#define TP_CONTEXT_SET_BITS 7
#define TP_CONTEXT_WAYS 4u
#define TP_CONTEXT_NEAR 4u
#define TP_CONTEXT_CHECKED 64u /* one of so many hits of a small allocation is compared word by word */

struct tp_context {
    const uintptr_t *hook; /* NULL: free */
    uintptr_t pc, second, witness;
    struct tp_python_key python; /* the thread's Python frames */
    const uint16_t *bins;        /* of the site's pool, by class; NULL: the site is not on */
    uint32_t generation;
    uint32_t countdown, period; /* hits until the next comparison; 1 where no witness could be found */
    /* Where on the stack they were, in words from `hook`; the place of `pc` where it is not known, or not
     * needed. */
    uint16_t second_at, witness_at;
    struct tp_site site;
    uint8_t n_words;
    bool ambiguous; /* another path has the same key, and there is no witness */
    bool plain;     /* under the plan its allocations are the C library's, and nobody asks for them */
    bool whole;     /* false: there are more words than fit, and a hit is never certain */
    uint64_t check; /* over the words */
    uint16_t words[TP_TRAIL_WORDS];
    uintptr_t near[TP_CONTEXT_NEAR]; /* what the first of them were */
} __attribute__((aligned(256)));

_Static_assert(sizeof(struct tp_context) == 256, "an entry is found by a shift");

extern uint32_t tp_context_generation;

#define TPI_LINK_BITS 12
#define TPI_LINK_PC_BITS 47
extern uint64_t
    tp_context_links[1u << TPI_LINK_BITS]; /* a return address, and above it where the next lies */

#define TPI_CONTEXT_FACTOR 0x9e3779b97f4a7c15ull

static inline uint64_t *tpi_context_link(uintptr_t pc) {
    return &tp_context_links[pc * TPI_CONTEXT_FACTOR >> (64 - TPI_LINK_BITS)];
}

/* Read only inside the thread's own stack: instructions that lie about their frame must do no harm. */
static inline uintptr_t tpi_context_second(const struct tp_thread *self, const uintptr_t *hook) {
    uint64_t link = __atomic_load_n(tpi_context_link(hook[1]), __ATOMIC_RELAXED);
    const uintptr_t *at = hook + (link >> TPI_LINK_PC_BITS);
    bool known = (link & ((1ull << TPI_LINK_PC_BITS) - 1)) == hook[1];
    return known && (uintptr_t)hook >= self->stack_low && (uintptr_t)at < self->stack_high ? *at : 0;
}

static inline struct tp_context *tpi_context_set(const struct tp_thread *self, const uintptr_t *hook,
                                                 uintptr_t second, uint64_t near) {
    uint64_t hash = (hook[1] + 3 * second + 5 * (uintptr_t)hook + near) * TPI_CONTEXT_FACTOR;
    return &self->contexts[(hash >> (64 - TP_CONTEXT_SET_BITS)) * TP_CONTEXT_WAYS];
}

/* The places are on the thread's own stack, above the hook's frame. */
static inline bool tpi_context_has_key(const struct tp_context *context, const uintptr_t *hook,
                                       uint64_t near) {
    return context->hook == hook && context->pc == hook[1] && hook[context->second_at] == context->second &&
           context->python.near == near &&
           context->generation == __atomic_load_n(&tp_context_generation, __ATOMIC_RELAXED);
}

static inline bool tpi_context_matches(const struct tp_context *context, const uintptr_t *hook,
                                       uint64_t near) {
    return tpi_context_has_key(context, hook, near) && hook[context->witness_at] == context->witness;
}

static inline struct tp_context *tpi_context_find(struct tp_thread *self, const uintptr_t *hook,
                                                  uint64_t near) {
    struct tp_context *context = tpi_context_set(self, hook, tpi_context_second(self, hook), near);
    for (unsigned way = 0; way < TP_CONTEXT_WAYS; way++, context++)
        if (tpi_context_matches(context, hook, near)) return self->recent = context;
    return NULL;
}

/* The entry of the call path that leads to the hook whose frame is given: the same key, and mostly the same
 * path. NULL: not seen yet, or its turn to be compared has come. Async-signal-safe with the recursion guard
 * held. */
static inline struct tp_context *tp_context_likely(struct tp_thread *self, const uintptr_t *hook) {
    struct tp_context *context = self->recent;
    if (__builtin_expect(context == NULL, 0)) return NULL;
    uint64_t near = tp_python_near(self);
    if (!tpi_context_matches(context, hook, near) && (context = tpi_context_find(self, hook, near)) == NULL)
        return NULL;
    return __builtin_expect(--context->countdown != 0, 1) ? context : NULL;
}

/* The same for certain, as far as that can be: words are compared, and it counts if they differ. */
struct tp_context *tp_context_certain(struct tp_thread *self, const uintptr_t *hook);

/* Unwinds in full and remembers; NULL: a stack that the thread borrows, or there is no memory. *site is the
 * answer in any case; `told` as of tp_site_of. */
struct tp_context *tp_context_learn(tp_guard *guard, const uintptr_t *hook, bool told, struct tp_site *site);

/* The site of the allocation that the hook was called for, for certain. `hook` NULL: not known. */
struct tp_site tp_context_site(tp_guard *guard, const uintptr_t *hook);

/* Every thread's entries are void: instructions, plan or pools have changed. */
void tp_context_forget(void);

void tp_context_thread_end(tp_guard *guard);

#endif
