/* perf_open.h - the only code that calls perf_event_open: every event on every CPU for one process and
 * what it starts, one ring buffer a CPU. */
#ifndef TP_LAUNCH_PERF_OPEN_H
#define TP_LAUNCH_PERF_OPEN_H

#include <linux/perf_event.h>
#include <stddef.h>
#include <sys/types.h>

#include "options.h"

/* Without these no record can be told from another. */
#define TP_SAMPLE_ALWAYS (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME)

struct tp_ring {
    int cpu;
    int fds[TP_MAX_EVENTS]; /* the first owns the buffer, the others write into it */
    uint64_t ids[TP_MAX_EVENTS];
    struct perf_event_mmap_page *page;
    size_t data_bytes;
    int file; /* perf.CPU.bin, or -1 until there is something to write */
};

struct tp_perf {
    struct tp_ring *rings;
    unsigned n_rings, n_events;
    struct perf_event_attr attrs[TP_MAX_EVENTS]; /* as the kernel took them */
    int error;                                   /* errno, 0: all open */
    char error_text[160];                        /* which call on which event */
};

/* Opens an event on `pid`. cpu -1: any. Gives up on what the kernel does not know (build-ids in mappings)
 * or does not permit (the kernel's own), and leaves in *attr what it took. Returns the descriptor or -errno.
 */
int tp_perf_open_event(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd);

/* The attributes that a specification asks for. */
void tp_perf_attr(struct perf_event_attr *attr, const struct tp_event_spec *spec);

/* Opens all events on `pid`, to be enabled by its exec. Returns 0, or -1 with error and error_text set and
 * nothing left open. */
int tp_perf_open(struct tp_perf *perf, const struct tp_options *options, pid_t pid);

/* What event `event` counted in all processes and on all CPUs: nanoseconds, faults. */
uint64_t tp_perf_count(const struct tp_perf *perf, unsigned event);

/* Stops all events. */
void tp_perf_disable(const struct tp_perf *perf);

void tp_perf_close(struct tp_perf *perf);

#endif
