#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Once writing has stopped the events would only cost the program time. */
static void stop(struct tp_drain *drain) {
    tp_perf_disable(drain->perf);
}

static bool stopped(const struct tp_drain *drain) {
    return drain->error != 0 || drain->limit_reached;
}

static void write_bytes(struct tp_drain *drain, int file, const void *bytes, size_t size) {
    for (const char *at = bytes; size > 0 && !stopped(drain);) {
        ssize_t done = write(file, at, size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            drain->error = done < 0 ? errno : ENOSPC;
            stop(drain);
            return;
        }
        at += done;
        size -= (size_t)done;
        drain->written_bytes += (uint64_t)done;
    }
}

static void open_file(struct tp_drain *drain, struct tp_ring *ring) {
    char path[4096];
    snprintf(path, sizeof path, "%s/perf.%d.bin", drain->options->raw, ring->cpu);
    ring->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (ring->file < 0) {
        drain->error = errno;
        stop(drain);
        return;
    }
    unsigned n = drain->perf->n_events;
    struct tp_perf_header header = {.magic = TP_PERF_MAGIC,
                                    .version = TP_PERF_VERSION,
                                    .header_bytes =
                                        (uint32_t)(sizeof header + n * sizeof(struct tp_perf_event)),
                                    .cpu = (uint32_t)ring->cpu,
                                    .n_events = n,
                                    .start_ns = drain->start_ns};
    struct tp_perf_event events[TP_MAX_EVENTS];
    for (unsigned e = 0; e < n; e++) {
        const struct perf_event_attr *attr = &drain->perf->attrs[e];
        events[e] = (struct tp_perf_event){.id = ring->ids[e],
                                           .sample_type = attr->sample_type,
                                           .regs_user = attr->sample_regs_user,
                                           .period = attr->sample_period,
                                           .type = attr->type,
                                           .flags = attr->exclude_kernel ? 0 : TP_PERF_KERNEL,
                                           .config = attr->config};
        memcpy(events[e].name, drain->options->events[e].name, sizeof events[e].name);
    }
    write_bytes(drain, ring->file, &header, sizeof header);
    write_bytes(drain, ring->file, events, n * sizeof *events);
}

static void drain_ring(struct tp_drain *drain, struct tp_ring *ring) {
    uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
    uint64_t tail = ring->page->data_tail; /* ours alone */
    if (head == tail) return;
    if (!stopped(drain) && drain->written_bytes + (head - tail) > drain->options->max_bytes) {
        drain->limit_reached = true;
        stop(drain);
    }
    if (!stopped(drain) && ring->file < 0) open_file(drain, ring);
    const char *data = (const char *)ring->page + ring->page->data_offset;
    uint64_t from = tail % ring->data_bytes, size = head - tail;
    uint64_t first = size < ring->data_bytes - from ? size : ring->data_bytes - from;
    write_bytes(drain, ring->file, data + from, first);
    write_bytes(drain, ring->file, data, size - first);
    __atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
}

void tp_drain_all(struct tp_drain *drain) {
    for (unsigned r = 0; r < drain->perf->n_rings; r++)
        drain_ring(drain, &drain->perf->rings[r]);
}
