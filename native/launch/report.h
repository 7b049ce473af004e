/* report.h - launch.json: how the run ended and what the sampler did. Room for it is taken at the start, so
 * that a full disk does not swallow it. */
#ifndef TP_LAUNCH_REPORT_H
#define TP_LAUNCH_REPORT_H

#include <stdio.h>
#include <sys/resource.h>

#include "drain.h"

struct tp_report {
    int file;
    int exec_error; /* errno of exec, 0: the program ran */
    int status;     /* of wait(2) */
    uint64_t start_ns, end_ns;
    struct rusage program;
    int perf_error; /* errno, 0: sampled, or not asked to */
    char perf_text[160];
    uint64_t counts[TP_MAX_EVENTS];
    struct perf_event_attr attrs[TP_MAX_EVENTS];
};

/* Opens launch.json in the raw folder. Returns 0 or errno. */
int tp_report_open(struct tp_report *report, const char *raw);

void tp_report_write(const struct tp_report *report, const struct tp_drain *drain);

/* A JSON string of `text`, quotes and all. */
void tp_json_string(FILE *out, const char *text);

#endif
