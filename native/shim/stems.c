/* stems.c - see stems.h. Stems are kept as the set of their prefixes; a verdict is drawn once for each path,
 * by naming its return addresses and looking for the names among the prefixes. On any doubt a site may be on.
 */
#include "stems.h"

#include "../place/place.h"
#include "modules.h"
#include "sites.h"
#include "unwind_step.h"

enum {
    TPI_STEPS = 2 * TP_STEM_FRAMES, /* a function that calls itself is one frame, however often */
    TPI_PREFIXES_BITS = 13,
    TPI_MAX_PREFIXES = 1 << (TPI_PREFIXES_BITS - 1)
};

/* The lowest bit of a prefix tells whether a stem ends with it. */
#define TPI_ENDS 1ull

uint64_t tp_verdicts[1u << TPI_VERDICTS_BITS] __attribute__((aligned(64)));
static uint64_t tpi_prefixes[1u << TPI_PREFIXES_BITS];
static unsigned tpi_n_prefixes;
static bool tpi_any; /* there is a site of which nothing is known, or there are too many */

static uint64_t *tpi_prefix(uint64_t prefix) {
    uint64_t at = prefix >> (64 - TPI_PREFIXES_BITS);
    while (tpi_prefixes[at] != 0 && (tpi_prefixes[at] | TPI_ENDS) != (prefix | TPI_ENDS))
        at = (at + 1) & ((1u << TPI_PREFIXES_BITS) - 1);
    return &tpi_prefixes[at];
}

static bool tpi_add_prefix(uint64_t prefix, bool ends) {
    uint64_t *entry = tpi_prefix(prefix);
    uint64_t before = *entry;
    if (before == 0 && ++tpi_n_prefixes >= TPI_MAX_PREFIXES) tpi_any = true;
    *entry = (prefix & ~TPI_ENDS) | (before & TPI_ENDS) | (ends ? TPI_ENDS : 0);
    return *entry != before;
}

void tp_stems_add(const struct tp_stem *stem) {
    bool any = tpi_any, changed = false;
    tpi_any |= stem->prefixes[0] == 0;
    for (unsigned i = 0; i < TP_STEM_FRAMES && stem->prefixes[i] != 0 && !tpi_any; i++)
        changed |= tpi_add_prefix(stem->prefixes[i], i + 1 == TP_STEM_FRAMES || stem->prefixes[i + 1] == 0);
    if (changed || tpi_any != any) tp_stems_forget();
}

void tp_stems_start(tp_guard *guard) {
    const struct tp_stem *stem;
    tp_sites_lock(guard);
    for (uint32_t index = 0; (stem = tp_place_next_stem(&index)) != NULL;)
        tp_stems_add(stem);
    tp_sites_unlock(guard);
}

void tp_stems_forget(void) {
    for (unsigned i = 0; i < 1u << TPI_VERDICTS_BITS; i++)
        __atomic_store_n(&tp_verdicts[i], 0, __ATOMIC_RELAXED);
}

static void tpi_put(uint64_t path, enum tp_verdict verdict, unsigned place) {
    uint64_t *set = tpi_verdict_set(path);
    uint64_t word = (path & TPI_PATH_MASK) | (uint64_t)place << TPI_VERDICT_BITS | verdict;
    unsigned way = ((set[0] ^ path) & TPI_PATH_MASK) != 0;
    if (way == 1) __atomic_store_n(&set[1], set[0], __ATOMIC_RELAXED);
    __atomic_store_n(&set[0], word, __ATOMIC_RELAXED);
}

/* From the hook outward, as the unwinding goes; found without the lock. */
struct tpi_way {
    uintptr_t pcs[TPI_STEPS];
    uint16_t places[TPI_STEPS]; /* of the next return address; 0: not known */
    struct tp_object objects[TPI_STEPS];
    unsigned n_steps;
};

/* Where the step that was made found its return address, if all that is called there finds it so. `frame`:
 * the hook's, or the last that a frame pointer led to; `fp`: the frame pointer before the step, 0 if it is
 * not the one that lies in that frame any more. */
static unsigned tpi_place_of(const struct tp_frame *made, uintptr_t *frame, uintptr_t *fp) {
    uintptr_t place = (made->pc_at - *frame) / sizeof place;
    if (!made->by_fp) {
        if (made->fp_at != 0) *fp = 0; /* the function that was left had saved its caller's */
        return place < 1u << TPI_PLACE_BITS ? (unsigned)place : 0;
    }
    if (*fp == 0 || made->cfa_at != 0 || made->fp_at != *fp || made->pc_at != *fp + sizeof place) return 0;
    *frame = *fp;
    *fp = made->fp;
    return TPI_PLACE_OF_FRAME;
}

static void tpi_go(tp_guard *guard, const uintptr_t *hook, struct tpi_way *way) {
    struct tp_frame made = {.pc = hook[1], .sp = (uintptr_t)&hook[2], .fp = hook[0]};
    struct tp_stack stack = tp_stack_of(guard, (uintptr_t)hook);
    uintptr_t frame = (uintptr_t)hook, fp = made.fp;
    bool on = true;
    for (way->n_steps = 0; way->n_steps < TPI_STEPS && on; way->n_steps++) {
        unsigned i = way->n_steps;
        way->pcs[i] = made.pc;
        if (!tp_object_find(made.pc - 1, &way->objects[i])) way->objects[i].end = 0;
        made.fp_at = 0;
        on = tp_step_out(&stack, &made) == TP_STEP_ON;
        way->places[i] = on ? (uint16_t)tpi_place_of(&made, &frame, &fp) : 0;
        on = way->places[i] != 0;
    }
}

static bool tpi_name(tp_guard *guard, const struct tp_object *object, uintptr_t pc, struct tp_hash128 *key) {
    const struct tp_module *module = object->end != 0 ? tp_module_of(guard, object) : NULL;
    if (module == NULL) return false;
    tp_hash128_word(key, module->identity.hi);
    tp_hash128_word(key, module->identity.lo);
    tp_hash128_word(key, pc - module->bias);
    return true;
}

static enum tp_verdict tpi_decide(uint64_t prefix, bool last) {
    if (tpi_any) return TP_VERDICT_MAY;
    uint64_t found = *tpi_prefix(prefix);
    if (found == 0) return TP_VERDICT_OFF;
    return last || (found & TPI_ENDS) != 0 ? TP_VERDICT_MAY : TPI_VERDICT_FURTHER;
}

void tp_stems_learn(tp_guard *guard, const uintptr_t *hook) {
    struct tpi_way way;
    struct tp_hash128 key = {0, 0};
    uint64_t path = 0;
    enum tp_verdict verdict = TPI_VERDICT_FURTHER;
    tpi_go(guard, hook, &way);
    tp_sites_lock(guard);
    for (unsigned i = 0; i < way.n_steps && verdict == TPI_VERDICT_FURTHER; i++) {
        path = tp_hash_word(path, way.pcs[i]);
        bool again = i > 0 && way.pcs[i] == way.pcs[i - 1];
        bool named = again || tpi_name(guard, &way.objects[i], way.pcs[i], &key);
        bool last = i + 1 == way.n_steps || way.places[i] == 0;
        verdict = named ? tpi_decide(key.hi, last) : TP_VERDICT_MAY;
        tpi_put(path, verdict, verdict == TPI_VERDICT_FURTHER ? way.places[i] : 0);
    }
    tp_sites_unlock(guard);
}
