#include "perf_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* 512 KiB and the control page are what an unprivileged user may lock for each CPU by default. */
#define RING_BYTES (512u * 1024u)
#define RING_MIN_BYTES (16u * 1024u)

void tp_perf_attr(struct perf_event_attr *attr, const struct tp_event_spec *spec) {
    *attr = (struct perf_event_attr){
        .size = sizeof *attr,
        .type = (uint32_t)spec->type,
        .config = spec->config,
        .config1 = spec->config1,
        .config2 = spec->config2,
        .sample_period = spec->period, /* or sample_freq: a union */
        .freq = spec->freq & 1,
        .sample_type = spec->sample | TP_SAMPLE_ALWAYS,
        .sample_regs_user = spec->regs,
        .precise_ip = spec->precise & 3,
        .disabled = 1,
        .inherit = 1,
        .enable_on_exec = 1,
        .exclude_kernel = !spec->kernel,
        .exclude_hv = !spec->kernel,
        .sample_id_all = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
        .watermark = 1,
        .wakeup_watermark = RING_BYTES / 4,
    };
    if (spec->track) {
        attr->mmap = attr->mmap2 = 1;
        attr->build_id = 1;
        attr->comm = attr->comm_exec = 1;
        attr->task = 1;
    }
}

static int open_once(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd) {
    long fd = syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, PERF_FLAG_FD_CLOEXEC);
    return fd >= 0 ? (int)fd : -errno;
}

int tp_perf_open_event(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd) {
    int fd = open_once(attr, pid, cpu, group_fd);
    if (fd == -EINVAL && attr->build_id) { /* before Linux 5.12 */
        attr->build_id = 0;
        fd = open_once(attr, pid, cpu, group_fd);
    }
    if ((fd == -EACCES || fd == -EPERM) && !attr->exclude_kernel) {
        attr->exclude_kernel = attr->exclude_hv = 1;
        fd = open_once(attr, pid, cpu, group_fd);
    }
    return fd;
}

static int fail(struct tp_perf *perf, int error, const char *call, const struct tp_event_spec *spec,
                int cpu) {
    perf->error = error;
    snprintf(perf->error_text, sizeof perf->error_text, "%s for %s on CPU %d: %s", call, spec->name, cpu,
             strerror(error));
    return -1;
}

/* The buffer shrinks until the limit on locked memory allows it. */
static int map_ring(struct tp_ring *ring) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t bytes = RING_BYTES; bytes >= RING_MIN_BYTES; bytes /= 2) {
        void *map = mmap(NULL, page + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fds[0], 0);
        if (map != MAP_FAILED) {
            ring->page = map;
            ring->data_bytes = bytes;
            return 0;
        }
        if (errno != EPERM && errno != ENOMEM) break;
    }
    return -1;
}

static int open_ring(struct tp_perf *perf, struct tp_ring *ring, const struct tp_options *options,
                     pid_t pid) {
    int leader = -1;
    for (unsigned e = 0; e < options->n_events; e++) {
        const struct tp_event_spec *spec = &options->events[e];
        if (!spec->group) leader = -1;
        int fd = tp_perf_open_event(&perf->attrs[e], pid, ring->cpu, leader);
        if (fd < 0) return fail(perf, -fd, "perf_event_open", spec, ring->cpu);
        ring->fds[e] = fd;
        if (!spec->group) leader = fd;
        if (ioctl(fd, PERF_EVENT_IOC_ID, &ring->ids[e]) != 0)
            return fail(perf, errno, "PERF_EVENT_IOC_ID", spec, ring->cpu);
        if (e == 0 && map_ring(ring) != 0) return fail(perf, errno, "mmap", spec, ring->cpu);
        if (e > 0 && ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fds[0]) != 0)
            return fail(perf, errno, "PERF_EVENT_IOC_SET_OUTPUT", spec, ring->cpu);
    }
    return 0;
}

/* One ring, closed, for each CPU that is online: `0-3,8`. */
static int list_cpus(struct tp_perf *perf) {
    char text[4096] = "";
    FILE *file = fopen("/sys/devices/system/cpu/online", "re");
    if (file == NULL || fgets(text, sizeof text, file) == NULL)
        snprintf(text, sizeof text, "0-%ld", sysconf(_SC_NPROCESSORS_ONLN) - 1);
    if (file != NULL) fclose(file);
    for (char *rest = text, *range; (range = strsep(&rest, ",")) != NULL;) {
        int first, last;
        int found = sscanf(range, "%d-%d", &first, &last);
        if (found < 1) continue;
        for (int cpu = first; cpu <= (found == 2 ? last : first); cpu++) {
            struct tp_ring *rings = realloc(perf->rings, (perf->n_rings + 1) * sizeof *rings);
            if (rings == NULL) return -1;
            perf->rings = rings;
            struct tp_ring *ring = &rings[perf->n_rings++];
            *ring = (struct tp_ring){.cpu = cpu, .file = -1};
            for (unsigned e = 0; e < TP_MAX_EVENTS; e++)
                ring->fds[e] = -1;
        }
    }
    return 0;
}

int tp_perf_open(struct tp_perf *perf, const struct tp_options *options, pid_t pid) {
    *perf = (struct tp_perf){.n_events = options->n_events};
    if (options->n_events == 0) return 0;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (unsigned e = 0; e < options->n_events; e++)
        tp_perf_attr(&perf->attrs[e], &options->events[e]);
    int failed = list_cpus(perf) == 0 ? 0 : fail(perf, ENOMEM, "realloc", &options->events[0], 0);
    for (unsigned r = 0; r < perf->n_rings && !failed; r++)
        failed = open_ring(perf, &perf->rings[r], options, pid);
    if (failed) tp_perf_close(perf);
    return failed;
}

uint64_t tp_perf_count(const struct tp_perf *perf, unsigned event) {
    uint64_t sum = 0, count;
    for (unsigned r = 0; r < perf->n_rings; r++)
        if (read(perf->rings[r].fds[event], &count, sizeof count) == (ssize_t)sizeof count) sum += count;
    return sum;
}

void tp_perf_disable(const struct tp_perf *perf) {
    for (unsigned r = 0; r < perf->n_rings; r++)
        for (unsigned e = 0; e < perf->n_events; e++)
            ioctl(perf->rings[r].fds[e], PERF_EVENT_IOC_DISABLE, 0);
}

void tp_perf_close(struct tp_perf *perf) {
    for (unsigned r = 0; r < perf->n_rings; r++) {
        struct tp_ring *ring = &perf->rings[r];
        if (ring->page != NULL) munmap(ring->page, (size_t)sysconf(_SC_PAGESIZE) + ring->data_bytes);
        for (unsigned e = 0; e < TP_MAX_EVENTS; e++)
            if (ring->fds[e] >= 0) close(ring->fds[e]);
        if (ring->file >= 0) close(ring->file);
    }
    free(perf->rings);
    perf->rings = NULL;
    perf->n_rings = 0;
}
