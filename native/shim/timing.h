/* timing.h - what the slow path costs the program, estimated from every TP_TIMED_CALLS-th call, without the
 * time that the real function would have taken anyway.
 */
#ifndef TP_TIMING_H
#define TP_TIMING_H

#include "../common/rawio.h"
#include "counters.h"

#define TP_TIMED_CALLS 64u
#define TP_FLUSHED_CALLS 128u

struct tp_timing {
    uint64_t begun_ns; /* 0: this call is not timed */
};

static inline struct tp_timing tp_timing_begin(tp_guard *guard) {
    return (struct tp_timing){++guard->self->slow_calls % TP_TIMED_CALLS == 0 ? tp_now_ns() : 0};
}

/* Around a call of a real function: its time is moved out of the interval. */
static inline void tp_timing_pause(struct tp_timing *timing) {
    if (timing->begun_ns != 0) timing->begun_ns -= tp_now_ns();
}

static inline void tp_timing_resume(struct tp_timing *timing) {
    if (timing->begun_ns != 0) timing->begun_ns += tp_now_ns();
}

static inline void tp_timing_end(tp_guard *guard, const struct tp_timing *timing) {
    if (timing->begun_ns != 0)
        guard->self->pending.shim_ns += TP_TIMED_CALLS * (tp_now_ns() - timing->begun_ns);
    if (guard->self->slow_calls % TP_FLUSHED_CALLS == 0) tp_counters_flush(guard);
}

#endif
