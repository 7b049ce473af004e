/* phases.c - see phases.h. */
#include "phases.h"

#include <signal.h>
#include <string.h>

#include "../common/rawio.h"
#include "held.h"
#include "move.h"

enum {
    TPI_PHASES = 64,
    TPI_TICK_NS = 2000000,    /* between two parts of a move, so that the program gets on meanwhile */
    TPI_TICK_BYTES = 2 << 20, /* the part */
    TPI_TRIES = 500,          /* while a thread blocks the signal that is needed, as new ones do at first */
    TPI_SECOND_NS = 1000000000
};

struct tpi_phase {
    const struct tp_plan_move *rule;
    uint32_t trigger; /* the trigger site's number, once it has one */
    uint64_t allocations;
    uint32_t tries;
    bool done;
};

static struct tpi_phase tpi_phases[TPI_PHASES];
static uint32_t tpi_n_phases;
static uint64_t tpi_started_ns, tpi_cookie;
static int tpi_timer; /* the kernel's number */
static bool tpi_has_timer;

bool tp_phases_count;

static struct timespec tpi_timespec(uint64_t ns) {
    return (struct timespec){(time_t)(ns / TPI_SECOND_NS), (long)(ns % TPI_SECOND_NS)};
}

/* The earliest moment at which a rule is due; UINT64_MAX: none is. */
static uint64_t tpi_next_due_ns(void) {
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < tpi_n_phases; i++) {
        const struct tpi_phase *phase = &tpi_phases[i];
        if (!phase->done && phase->rule->when == TP_MOVE_AT_TIME && phase->rule->at < next)
            next = phase->rule->at;
    }
    return next;
}

/* Ticks from the next due moment on until it is told otherwise: a tick may come at a bad moment. */
static void tpi_arm(void) {
    uint64_t due = tpi_next_due_ns();
    struct itimerspec when = {.it_interval = {0, 0}, .it_value = {0, 0}};
    if (due != UINT64_MAX) {
        when.it_interval = tpi_timespec(TPI_TICK_NS);
        when.it_value = tpi_timespec(tpi_started_ns + due);
    }
    syscall(SYS_timer_settime, tpi_timer, TIMER_ABSTIME, &when, NULL);
}

static void tpi_make_timer(void) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTRAP};
    memcpy(&event.sigev_value, &tpi_cookie, sizeof event.sigev_value);
    if (tpi_next_due_ns() == UINT64_MAX) return;
    tpi_has_timer = syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &tpi_timer) == 0;
    if (tpi_has_timer)
        tpi_arm();
    else
        tpi_note(TP_NOTE_MOVE_FAILED, (uint32_t)errno,
                 "the plan's moves at a time: there is no timer for them");
}

void tp_phases_start(const struct tpi_plan *plan, uint64_t cookie) {
    tpi_started_ns = tp_now_ns();
    tpi_cookie = cookie;
    for (uint32_t i = 0; i < plan->header->n_moves && i < TPI_PHASES; i++) {
        tpi_phases[tpi_n_phases++] = (struct tpi_phase){.rule = &plan->moves[i], .trigger = TP_SITE_NONE};
        tp_phases_count |= plan->moves[i].when == TP_MOVE_AT_ALLOCATION;
    }
    if (plan->header->n_moves > TPI_PHASES)
        tpi_note(TP_NOTE_MOVE_FAILED, plan->header->n_moves,
                 "the plan has more than %d moves: the others are left out", TPI_PHASES);
    tpi_make_timer();
}

void tp_phases_fork_child(void) {
    tpi_has_timer = false;
    tpi_make_timer();
}

/* True: nothing is left to do. */
static bool tpi_run(tp_guard *guard, struct tpi_phase *phase, uint64_t max_bytes, bool waits) {
    const struct tp_plan_move *rule = phase->rule;
    const struct tp_move_request request = {rule->key_hi, rule->key_lo, rule->tier, max_bytes, waits};
    struct tp_move_result result;
    if (!tp_move(guard, &request, &result) || result.left_bytes > 0) return false;
    return result.stay_bytes[TP_STAY_SIGNALS] == 0 || ++phase->tries > TPI_TRIES;
}

/* One part of the first rule that is due and not done. */
void tp_phases_tick(tp_guard *guard) {
    uint64_t now = tp_now_ns() - tpi_started_ns;
    if (!tpi_has_timer) return;
    for (uint32_t i = 0; i < tpi_n_phases; i++) {
        struct tpi_phase *phase = &tpi_phases[i];
        if (phase->done || phase->rule->when != TP_MOVE_AT_TIME || phase->rule->at > now) continue;
        if (!tpi_run(guard, phase, TPI_TICK_BYTES, false)) return;
        __atomic_store_n(&phase->done, true, __ATOMIC_RELAXED);
        if (tpi_next_due_ns() > now) tpi_arm();
        return;
    }
    tpi_arm();
}

static bool tpi_is_trigger(tp_guard *guard, struct tpi_phase *phase, uint32_t site) {
    uint32_t trigger = __atomic_load_n(&phase->trigger, __ATOMIC_RELAXED);
    if (trigger == TP_SITE_NONE) { /* not seen yet, as far as is known */
        trigger = tp_sites_find(guard, phase->rule->trigger_hi, phase->rule->trigger_lo);
        __atomic_store_n(&phase->trigger, trigger, __ATOMIC_RELAXED);
    }
    return trigger == site;
}

void tpi_phases_allocated(tp_guard *guard, uint32_t site) {
    if (site == TP_SITE_NONE) return;
    for (uint32_t i = 0; i < tpi_n_phases; i++) {
        struct tpi_phase *phase = &tpi_phases[i];
        if (phase->rule->when != TP_MOVE_AT_ALLOCATION || __atomic_load_n(&phase->done, __ATOMIC_RELAXED))
            continue;
        if (!tpi_is_trigger(guard, phase, site)) continue;
        if (__atomic_add_fetch(&phase->allocations, 1, __ATOMIC_RELAXED) < phase->rule->at) continue;
        if (tpi_run(guard, phase, UINT64_MAX, true)) /* otherwise at the next one */
            __atomic_store_n(&phase->done, true, __ATOMIC_RELAXED);
    }
}
