/* drain.h - moves what the rings hold into perf.CPU.bin, and on trouble stops writing, never the program. */
#ifndef TP_LAUNCH_DRAIN_H
#define TP_LAUNCH_DRAIN_H

#include "perf_open.h"

struct tp_drain {
    const struct tp_options *options;
    struct tp_perf *perf;
    uint64_t start_ns;
    uint64_t written_bytes;
    int error;          /* errno of the write that failed; nothing is written after it */
    bool limit_reached; /* max_bytes */
};

/* Empties every ring once. */
void tp_drain_all(struct tp_drain *drain);

#endif
