/* sample.c - see sample.h. All of it runs in signal context: it reads memory, asks clocks, takes no lock. */
#include "sample.h"

#include <time.h>

#include "../shim/objects.h"
#include "../shim/pagemap.h"
#include "bandwidth.h"
#include "identity.h"
#include "registers.h"
#include "streams.h"

#define TPI_PAUSES 128 /* some microseconds, between two looks at the CPU time, which are system calls */
#define TPI_LOOP_BYTES 96u
#define TPI_LOOP_RECIPES 16u

struct tpi_emulation tpi_emulation;

/* Where a sample fell. */
struct tpi_spot {
    const ucontext_t *context;
    struct tp_object object;
    uint8_t identity[TPI_IDENTITY_BYTES];
    size_t identity_bytes;
    uint64_t offset; /* of the sampled instruction in the object */
};

static __thread struct {
    uint64_t
        resumed_ns; /* the thread's CPU time when the handler last returned: from there it is the program's */
    uint64_t useful_ns; /* the thread's own clock: it stands still while the thread is held up */
    struct tpi_streams streams;
} tpi_thread;

static uint64_t tpi_thread_cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void tpi_count(uint64_t *counter, uint64_t by) {
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

/* Spins until the thread has used so much CPU time: what a preempted thread sleeps does not count as delay.
 */
static void tpi_spin_until(uint64_t cpu_ns) {
    while (tpi_thread_cpu_ns() < cpu_ns)
        for (int i = 0; i < TPI_PAUSES; i++)
            tpi_pause();
}

/* Nothing is cached: the object's build-id is a few loads away, and so a library that takes the place of
 * another is never mistaken for it. */
static bool tpi_find_spot(struct tpi_spot *spot, const ucontext_t *context) {
    uintptr_t ip = tpi_context_ip(context);
    spot->context = context;
    if (!tp_object_find(ip, &spot->object)) return false;
    spot->offset = ip - spot->object.bias;
    spot->identity_bytes = tpi_identity_of(&spot->object, spot->identity);
    return spot->identity_bytes != 0;
}

static uintptr_t tpi_register(const struct tpi_spot *spot, int8_t number) {
    if (number == TP_REG_NONE) return 0;
    return number == TP_REG_MODULE ? spot->object.bias : tpi_context_register(spot->context, number);
}

static struct tpi_access tpi_access(const struct tpi_spot *spot, const struct tp_recipe *recipe) {
    uintptr_t address = tpi_register(spot, recipe->base) +
                        (tpi_register(spot, recipe->index) << recipe->shift) +
                        (uintptr_t)recipe->displacement;
    bool known = recipe->confidence != TP_CONF_NONE;
    return (struct tpi_access){.address = address,
                               .ip = spot->object.bias + recipe->offset,
                               .tier = known ? (uint8_t)tp_pagemap_tier(address) : 0,
                               .kind = recipe->access};
}

static void tpi_delay(double ratio, uint64_t useful_ns) {
    uint64_t start = tpi_thread_cpu_ns();
    tpi_spin_until(start + (uint64_t)(ratio * (double)useful_ns));
    tpi_count(&tpi_emulation.counters->emul_delayed, 1);
    tpi_count(&tpi_emulation.counters->emul_delay_ns, tpi_thread_cpu_ns() - start);
}

static void tpi_move_bytes(unsigned tier, uint64_t bytes) {
    if (bytes == 0) return;
    tpi_count(&tpi_emulation.counters->emul_bytes, bytes);
    tpi_count(&tpi_emulation.counters->emul_throttle_ns, tpi_bandwidth_charge(tier, bytes));
}

/* The accesses of the loop in which the sample fell, the sampled one first if it has a recipe: a copy waits
 * for its loads, and its stores are hardly ever sampled. Only those that go to a capped tier. */
static size_t tpi_loop(const struct tpi_spot *spot, const struct tp_recipe *sampled,
                       struct tpi_access *accesses) {
    const struct tp_recipe *first;
    size_t n = 0, n_recipes = tpi_recipes_around(&tpi_emulation.recipes, spot->identity, spot->identity_bytes,
                                                 spot->offset, TPI_LOOP_BYTES, &first, TPI_LOOP_RECIPES);
    if (sampled != NULL) {
        accesses[n] = tpi_access(spot, sampled);
        n += tpi_bandwidth_capped(accesses[n].tier);
    }
    for (size_t i = 0; i < n_recipes; i++) {
        if (&first[i] == sampled) continue;
        accesses[n] = tpi_access(spot, &first[i]);
        n += tpi_bandwidth_capped(accesses[n].tier);
    }
    return n;
}

static void tpi_throttle(const struct tpi_spot *spot, const struct tp_recipe *sampled, uint64_t useful_ns) {
    struct tpi_access accesses[TPI_LOOP_RECIPES + 2];
    size_t n = tpi_loop(spot, sampled, accesses);
    tpi_streams_follow(&tpi_thread.streams, accesses, n, tpi_thread.useful_ns);
    for (size_t i = 0; i < n; i++) {
        struct tpi_access *access = &accesses[i];
        bool waited_for = sampled != NULL && access->ip == spot->object.bias + sampled->offset;
        if (waited_for && !access->known)
            access->bytes = tpi_streams_lines(access, useful_ns, tpi_emulation.line_ns[access->tier]);
        tpi_move_bytes(access->tier, access->bytes);
    }
}

static void tpi_hold_up(const ucontext_t *context, uint64_t useful_ns) {
    struct tpi_spot spot;
    struct tpi_access access = {0};
    bool found = tpi_find_spot(&spot, context);
    const struct tp_recipe *recipe =
        found ? tpi_recipes_find(&tpi_emulation.recipes, spot.identity, spot.identity_bytes, spot.offset)
              : NULL;
    if (recipe != NULL) access = tpi_access(&spot, recipe);
    double ratio = tpi_emulation.delay_ratio[access.tier];
    if (recipe == NULL)
        tpi_count(&tpi_emulation.counters->emul_unknown_instruction, 1);
    else if (ratio > 0)
        tpi_delay(ratio, useful_ns);
    else
        tpi_count(&tpi_emulation.counters->emul_elsewhere, 1);
    if (found && tpi_emulation.capped) tpi_throttle(&spot, recipe, useful_ns);
}

void tpi_sample_begin(void) {
    tpi_thread.resumed_ns = tpi_thread_cpu_ns();
}

void tpi_sample_take(bool late, const ucontext_t *context) {
    uint64_t now = tpi_thread_cpu_ns(); /* begins anew in a forked child */
    uint64_t useful_ns = now >= tpi_thread.resumed_ns ? now - tpi_thread.resumed_ns : now;
    tpi_thread.useful_ns += useful_ns;
    tpi_count(&tpi_emulation.counters->emul_signals, 1);
    tpi_count(&tpi_emulation.counters->emul_useful_ns, useful_ns);
    /* A sample stands for one period of user time. What exceeds it went by in the kernel, where no sample is
     * taken. */
    if (useful_ns > tpi_emulation.period_ns) useful_ns = tpi_emulation.period_ns;
    if (!late) tpi_hold_up(context, useful_ns);
    tpi_thread.resumed_ns = tpi_thread_cpu_ns();
}
