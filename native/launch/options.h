/* options.h - the launcher's command line. Python decides what to sample; here it is only read. */
#ifndef TP_LAUNCH_OPTIONS_H
#define TP_LAUNCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "perffile.h"

#define TP_MAX_ENV 64u

/* One event, written `name=clock,type=1,config=0,period=2000000,sample=0x1007,...`. */
struct tp_event_spec {
    char name[16];
    uint64_t type, config, config1, config2;
    uint64_t period; /* 0: counts only, as the leader of a group */
    uint64_t freq;   /* 1: period is a rate a second, which the kernel keeps by adapting the period */
    uint64_t sample; /* PERF_SAMPLE_*; TP_SAMPLE_ALWAYS is added */
    uint64_t regs;   /* PERF_REG_* bits of PERF_SAMPLE_REGS_USER */
    uint64_t precise;
    uint64_t kernel; /* 1: the kernel's own too, where permitted */
    uint64_t track;  /* 1: mappings, names, forks and exits come with this event */
    uint64_t group;  /* 1: in the group of the event before it */
};

enum tp_mode {
    TP_MODE_RUN,
    TP_MODE_TRY, /* --try: open the events on this process and say what the kernel answered */
    TP_MODE_COST /* --cost: what one sample of the first event costs, and one page fault of the second */
};

struct tp_options {
    enum tp_mode mode;
    const char *raw;
    const char *env[TP_MAX_ENV]; /* NAME=VALUE for the program alone */
    unsigned n_env;
    struct tp_event_spec events[TP_MAX_EVENTS];
    unsigned n_events;
    uint64_t max_bytes; /* of all perf.CPU.bin together */
    char **command;
};

/* Returns NULL, or what is wrong in words (static or of argv). */
const char *tp_options_read(struct tp_options *options, int argc, char **argv);

#endif
