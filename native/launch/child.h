/* child.h - the wrapped program: started, held until the sampler is ready, then let go.
 *
 * It gets the streams, the terminal, the signal mask and the dispositions that the launcher was started
 * with; the environment differs by --env alone. */
#ifndef TP_LAUNCH_CHILD_H
#define TP_LAUNCH_CHILD_H

#include <signal.h>
#include <sys/types.h>

#include "options.h"

struct tp_child {
    pid_t pid;
    int go, failed; /* pipe ends: write to let it exec; read errno if it could not */
};

/* Forks a process that waits for tp_child_go. Returns 0 or errno. */
int tp_child_start(struct tp_child *child, const struct tp_options *options, const sigset_t *mask);

/* Lets it exec. Returns 0 once exec succeeded, or its errno; the process has then to be reaped. */
int tp_child_go(struct tp_child *child);

#endif
