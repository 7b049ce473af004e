/* schedule.h - which instructions of the run are measured, which only warm the caches, which are skipped.
 *
 * The measured part is the run, or what lies inside a region, or between two counts. Its first `warm_up`
 * instructions are taken to warm up; before a count that starts it, the last ones ahead of it. Sampled by
 * intervals, the part is cut into pieces of `every` instructions, each beginning with a warm-up (twice what
 * is measured, if nothing else is asked for), then the measured ones; the rest is skipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_SCHEDULE_H
#define TP_SCHEDULE_H

#include "../model/sim.h"
#include "vex.h"

struct tp_phase {
    enum tpm_mode mode;
    double weight;
    ULong until; /* a count of instructions; ~0: for good, unless a region is entered or left */
};

/* From options.h. */
void tp_schedule_start(void);

/* A region is entered or left when `now` instructions have run. */
void tp_schedule_enter(ULong now);
void tp_schedule_leave(ULong now);

/* Counting starts anew; `now` had been reached. What was inside the region still is. */
void tp_schedule_forked(ULong now);

struct tp_phase tp_schedule_at(ULong now);

Bool tp_schedule_entered(void); /* ever: the region, or the count that starts */
Bool tp_schedule_inside(void);

#endif
