#include "cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "perf_open.h"
#include "report.h"

#define ROUNDS 41
#define TOUCHED_BYTES (8u << 20)
#define SPIN_STEPS 4000000u
#define RING_BYTES (512u * 1024u)

static double thread_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void spin(void) {
    uint64_t state = 1;
    for (unsigned i = 0; i < SPIN_STEPS; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(state));
    }
}

static void touch(void) {
    char *memory = mmap(NULL, TOUCHED_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    madvise(memory, TOUCHED_BYTES, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < TOUCHED_BYTES; at += 4096)
        ((volatile char *)memory)[at] = 1;
    munmap(memory, TOUCHED_BYTES);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double timed(void (*work)(void)) {
    double before = thread_ns();
    work();
    return thread_ns() - before;
}

/* Median over rounds of (on - off): a round's two halves lie milliseconds apart, so drift cancels. */
static double measure_ns(int fd, struct perf_event_mmap_page *page, uint64_t period, bool faults) {
    double extra_ns[ROUNDS];
    uint64_t counted = 0, rounds_count;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double off_ns = timed(faults ? touch : spin);
        ioctl(fd, PERF_EVENT_IOC_RESET, 0);
        ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
        extra_ns[round] = timed(faults ? touch : spin) - off_ns;
        ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
        if (read(fd, &rounds_count, sizeof rounds_count) == (ssize_t)sizeof rounds_count)
            counted += rounds_count;
        __atomic_store_n(&page->data_tail, __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE),
                         __ATOMIC_RELEASE);
    }
    qsort(extra_ns, ROUNDS, sizeof *extra_ns, by_value);
    double samples = (double)counted / (double)period / ROUNDS;
    return samples > 0 ? extra_ns[ROUNDS / 2] / samples : 0;
}

static bool measure_event(const struct tp_event_spec *spec, double *cost_ns) {
    struct perf_event_attr attr;
    tp_perf_attr(&attr, spec);
    attr.enable_on_exec = attr.inherit = 0;
    int fd = tp_perf_open_event(&attr, 0, -1, -1);
    if (fd < 0) return false;
    size_t bytes = RING_BYTES + (size_t)sysconf(_SC_PAGESIZE);
    void *ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring != MAP_FAILED) {
        *cost_ns = measure_ns(fd, ring, spec->period, strcmp(spec->name, "fault") == 0);
        munmap(ring, bytes);
    }
    close(fd);
    return ring != MAP_FAILED;
}

int tp_cost_print(const struct tp_options *options) {
    for (unsigned e = 0; e < options->n_events; e++) {
        double cost_ns = 0;
        bool measured = measure_event(&options->events[e], &cost_ns);
        fputs(e == 0 ? "{" : ", ", stdout);
        tp_json_string(stdout, options->events[e].name);
        if (measured)
            printf(": %.1f", cost_ns);
        else
            fputs(": null", stdout);
    }
    puts("}");
    return 0;
}
