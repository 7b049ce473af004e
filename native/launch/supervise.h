/* supervise.h - stays with the program until it ends: drains, passes signals on, reaps. */
#ifndef TP_LAUNCH_SUPERVISE_H
#define TP_LAUNCH_SUPERVISE_H

#include <signal.h>

#include "child.h"
#include "report.h"

/* The signals that the launcher takes through a descriptor instead of dying of them. */
void tp_supervise_signals(sigset_t *set);

/* Returns when the program has ended; report holds its status and usage. */
void tp_supervise(const struct tp_child *child, const sigset_t *signals, struct tp_drain *drain,
                  struct tp_report *report);

#endif
