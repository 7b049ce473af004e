/* schedule.c - phases as functions of how many instructions have run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "schedule.h"

#include "options.h"

#define TPI_FOREVER (~0ull)

static struct {
    Bool inside, entered;
    ULong since;  /* instructions that had run when it was entered */
    ULong before; /* instructions inside, of earlier times */
} tpi;

void tp_schedule_start(void) {
    tpi.inside = tp_options.region == NULL;
    tpi.entered = tpi.inside;
    tpi.since = tp_options.start_after;
}

void tp_schedule_enter(ULong now) {
    tpi.inside = tpi.entered = True;
    tpi.since = now;
}

void tp_schedule_leave(ULong now) {
    tpi.inside = False;
    tpi.before += now - tpi.since;
}

void tp_schedule_forked(ULong now) {
    if (tp_options.region == NULL) return; /* the counts that start and stop are each process's own */
    if (tpi.inside) tpi.before += now - tpi.since;
    tpi.since = 0;
}

static struct tp_phase tpi_sampled(ULong inside, ULong now) {
    ULong measured = tp_options.measured, every = tp_options.every;
    ULong warm = tp_options.warm_up > 0 ? tp_options.warm_up : 2 * measured;
    if (warm > every - measured) warm = every - measured;
    ULong at = inside % every, start = now - at;
    double weight = (double)every / (double)measured;
    if (at < warm) return (struct tp_phase){TPM_WARM, weight, start + warm};
    if (at < warm + measured) return (struct tp_phase){TPM_MEASURE, weight, start + warm + measured};
    return (struct tp_phase){TPM_SKIP, weight, start + every};
}

static struct tp_phase tpi_inside(ULong now) {
    ULong inside = tpi.before + now - tpi.since;
    if (tp_options.every > 0) return tpi_sampled(inside, now);
    Bool counted = tp_options.start_after > 0; /* was warmed up ahead of it */
    if (!counted && inside < tp_options.warm_up)
        return (struct tp_phase){TPM_WARM, 1.0, now + tp_options.warm_up - inside};
    return (struct tp_phase){TPM_MEASURE, 1.0, TPI_FOREVER};
}

static struct tp_phase tpi_ahead(ULong now) {
    ULong start = tp_options.start_after, warm = tp_options.warm_up < start ? tp_options.warm_up : start;
    if (now < start - warm) return (struct tp_phase){TPM_SKIP, 1.0, start - warm};
    return (struct tp_phase){TPM_WARM, 1.0, start};
}

struct tp_phase tp_schedule_at(ULong now) {
    ULong stop = tp_options.stop_after > 0 ? tp_options.stop_after : TPI_FOREVER;
    if (!tpi.inside || now >= stop) return (struct tp_phase){TPM_SKIP, 1.0, TPI_FOREVER};
    struct tp_phase phase = now < tp_options.start_after ? tpi_ahead(now) : tpi_inside(now);
    if (phase.until > stop) phase.until = stop;
    return phase;
}

Bool tp_schedule_entered(void) {
    return tpi.entered;
}

Bool tp_schedule_inside(void) {
    return tpi.inside;
}
