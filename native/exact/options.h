/* options.h - the tool's options: --tp-NAME=VALUE.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_OPTIONS_H
#define TP_OPTIONS_H

#include "../model/config.h"
#include "vex.h"

/* X(field, name, help) */
#define TP_TEXT_OPTIONS(X)                                                                                   \
    X(dir, "--tp-dir", "raw folder; without it nothing is written")                                          \
    X(config_file, "--tp-config", "the simulated machine, `name value` a line; without it the default one")  \
    X(region, "--tp-region",                                                                                 \
      "measure inside this function only; `marks`: between the calls of tierprof_region.h")                  \
    X(start_after, "--tp-start-after", "instructions before measuring starts")                               \
    X(stop_after, "--tp-stop-after", "instructions after which it stops")                                    \
    X(warm_up, "--tp-warm-up", "instructions that only warm the caches, before those that are measured")     \
    X(interval, "--tp-interval", "MEASURED:EVERY instructions: measure so many of every so many")            \
    X(feed, "--tp-feed",                                                                                     \
      "`no`: run the instrumented code and throw its words away (to time the engine alone)")

struct tp_options {
    const HChar *dir, *region;                               /* NULL: not given */
    ULong start_after, stop_after, warm_up, measured, every; /* 0: not given */
    Bool feed;
    struct tpm_config config;
};

extern struct tp_options tp_options;

/* For Valgrind's table of what a tool needs. */
Bool tp_options_take(const HChar *argument);
void tp_options_usage(void);
void tp_options_debug_usage(void);

/* After all have been taken. Ends the process where one makes no sense. */
void tp_options_check(void);

#endif
