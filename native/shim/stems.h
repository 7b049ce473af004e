/* stems.h - may the site of a small allocation be on? Told by the innermost frames of its stack alone: few
 * sites are on, and nearly all other allocations are told from them by one to three return addresses, without
 * a look at the rest of the stack or at Python's frames.
 *
 * Words: a stem is how the stack of a site that is on begins, in terms that outlive the process; a path is a
 * hash of return addresses from the hook's caller outward. What is known of a path is its verdict.
 */
#ifndef TP_STEMS_H
#define TP_STEMS_H

#include "../common/hash.h"
#include "../common/planfile.h"
#include "guard.h"

enum tp_verdict {
    TP_VERDICT_UNKNOWN, /* ask tp_stems_learn */
    TP_VERDICT_OFF,     /* no site that is on begins so: for certain */
    TP_VERDICT_MAY,     /* one may be */
    TPI_VERDICT_FURTHER /* one begins so, and the next return address lies at a known place */
};

enum {
    TPI_VERDICT_BITS = 2,
    TPI_PLACE_BITS = 14,
    TPI_PLACE_OF_FRAME = 1, /* in the frame that the frame pointer leads to */
    TPI_VERDICTS_BITS = 13,
    TPI_VERDICT_WAYS = 2
};

/* A word is, from the low end: verdict; where the next return address lies, in words from the hook's frame or
 * the last that a frame pointer led to; and the upper bits of the path, of which the lower ones choose the
 * set. Written with the lock of sites.c held. */
extern uint64_t tp_verdicts[1u << TPI_VERDICTS_BITS];

#define TPI_PATH_MASK (~(uint64_t)0 << (TPI_VERDICT_BITS + TPI_PLACE_BITS))

static inline uint64_t *tpi_verdict_set(uint64_t path) {
    return &tp_verdicts[path & ((1u << TPI_VERDICTS_BITS) - TPI_VERDICT_WAYS)];
}

/* The word of a path; 0: it is not known. */
static inline uint64_t tpi_verdict_of(uint64_t path) {
    const uint64_t *set = tpi_verdict_set(path);
    for (unsigned way = 0; way < TPI_VERDICT_WAYS; way++) {
        uint64_t word = __atomic_load_n(&set[way], __ATOMIC_RELAXED);
        if (__builtin_expect(((word ^ path) & TPI_PATH_MASK) == 0, 1)) return word;
    }
    return 0;
}

/* From one return address to where the next lies. NULL: outside the thread's own stack. */
static inline const uintptr_t *tpi_stems_step(const struct tp_thread *self, const uintptr_t **frame,
                                              unsigned place) {
    const uintptr_t *from = *frame;
    if (place == TPI_PLACE_OF_FRAME) { /* its caller's frame pointer, and behind it the return address */
        *frame = (const uintptr_t *)(*frame)[0];
        if (*frame <= from || (uintptr_t)*frame % sizeof(uintptr_t) != 0) return NULL;
    }
    const uintptr_t *at = *frame + place;
    return (uintptr_t)from >= self->stack_low && (uintptr_t)at < self->stack_high ? at : NULL;
}

/* The verdict on the allocation that the hook was called for. May be called in any state of the shim. */
static inline enum tp_verdict tp_stems_ask(const struct tp_thread *self, const uintptr_t *hook) {
    const uintptr_t *frame = hook, *at = &hook[1];
    uint64_t path = 0, word;
    for (;;) {
        path = tp_hash_word(path, *at);
        word = tpi_verdict_of(path);
        enum tp_verdict verdict = word & ((1u << TPI_VERDICT_BITS) - 1);
        if (__builtin_expect(verdict != TPI_VERDICT_FURTHER, 1)) return verdict;
        at = tpi_stems_step(self, &frame, word >> TPI_VERDICT_BITS & ((1u << TPI_PLACE_BITS) - 1));
        if (at == NULL) return TP_VERDICT_MAY;
    }
}

/* A verdict for each step of the way from the hook outward. */
void tp_stems_learn(tp_guard *guard, const uintptr_t *hook);

/* Adds the stems of the sites whose small objects the plan places. */
void tp_stems_start(tp_guard *guard);

/* The rest is called with the lock of sites.c held. */

/* A site with this stem is on, or will be when it is met. */
void tp_stems_add(const struct tp_stem *stem);

/* Objects were unloaded: another may come to lie where one was. */
void tp_stems_forget(void);

#endif
