/* tierprof-launch - starts a program under perf events and leaves the samples in a raw folder.
 *
 * Written for the Python above it, not for people: see options.h. It prints nothing into the program's
 * streams; what there is to say is in launch.json. Its exit status is the program's, 128 + N if signal N
 * ended it, and 125 if it could not start it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cost.h"
#include "supervise.h"

#define STATUS_FAILED 125

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A reader of the program's output must see its end when the program closes it, not when the launcher does.
 */
static void leave_streams(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2) close(null);
}

static void note_perf_failure(struct tp_report *report, const struct tp_perf *perf) {
    report->perf_error = perf->error;
    memcpy(report->perf_text, perf->error_text, sizeof report->perf_text);
}

static int run(const struct tp_options *options) {
    struct tp_report report = {.file = -1};
    int error = tp_report_open(&report, options->raw);
    if (error != 0 && report.file < 0) {
        fprintf(stderr, "tierprof-launch: %s: %s\n", options->raw, strerror(error));
        return STATUS_FAILED;
    }
    sigset_t taken, before;
    tp_supervise_signals(&taken);
    sigprocmask(SIG_BLOCK, &taken, &before);
    struct tp_child child;
    if ((error = tp_child_start(&child, options, &before)) != 0) {
        fprintf(stderr, "tierprof-launch: fork: %s\n", strerror(error));
        return STATUS_FAILED;
    }
    leave_streams();
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is met as EFBIG */

    struct tp_perf perf;
    if (tp_perf_open(&perf, options, child.pid) != 0) note_perf_failure(&report, &perf);
    memcpy(report.attrs, perf.attrs, sizeof report.attrs);
    report.start_ns = now_ns();
    struct tp_drain drain = {.options = options, .perf = &perf, .start_ns = report.start_ns};
    report.exec_error = tp_child_go(&child);
    tp_supervise(&child, &taken, &drain, &report);
    report.end_ns = now_ns();
    tp_perf_disable(&perf); /* daemons that outlive the program are no longer sampled */
    tp_drain_all(&drain);
    for (unsigned e = 0; e < perf.n_events; e++)
        report.counts[e] = tp_perf_count(&perf, e);
    tp_report_write(&report, &drain);
    tp_perf_close(&perf);
    if (report.exec_error != 0) return STATUS_FAILED;
    return WIFSIGNALED(report.status) ? 128 + WTERMSIG(report.status) : WEXITSTATUS(report.status);
}

/* For each event, what the kernel answers: {"clock": 0, "fault": 13}. */
static int try_events(const struct tp_options *options) {
    int leader = -1;
    for (unsigned e = 0; e < options->n_events; e++) {
        struct perf_event_attr attr;
        tp_perf_attr(&attr, &options->events[e]);
        int fd = tp_perf_open_event(&attr, 0, -1, options->events[e].group ? leader : -1);
        if (!options->events[e].group) leader = fd;
        fputs(e == 0 ? "{" : ", ", stdout);
        tp_json_string(stdout, options->events[e].name);
        printf(": %d", fd < 0 ? -fd : 0);
    }
    puts("}");
    return 0;
}

int main(int argc, char **argv) {
    struct tp_options options;
    const char *wrong = tp_options_read(&options, argc, argv);
    if (wrong != NULL) {
        fprintf(stderr, "tierprof-launch: %s\n", wrong);
        return STATUS_FAILED;
    }
    switch (options.mode) {
    case TP_MODE_TRY:
        return try_events(&options);
    case TP_MODE_COST:
        return tp_cost_print(&options);
    case TP_MODE_RUN:
        break;
    }
    return run(&options);
}
