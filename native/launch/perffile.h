/* perffile.h - what the launcher leaves in the raw folder for each CPU, byte for byte.
 *
 *   perf.CPU.bin   this header, n_events x tp_perf_event, then perf's own records exactly as the ring
 *                  buffer held them (linux/perf_event.h), in that CPU's order
 *
 * The last record may be cut short (full disk, SIGKILL). Times are CLOCK_MONOTONIC nanoseconds. All
 * sizes are multiples of eight, so records stay aligned. profiler/perf/ reads it.
 */
#ifndef TP_PERFFILE_H
#define TP_PERFFILE_H

#include <stdint.h>

#define TP_PERF_MAGIC "TPPERF\0" /* eight bytes with the final NUL */
#define TP_PERF_VERSION 1u
#define TP_MAX_EVENTS 8u

/* 32 bytes */
struct tp_perf_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes; /* offset of the first record */
    uint32_t cpu;
    uint32_t n_events;
    uint64_t start_ns;
};

/* Every record carries the id of the event that made it: samples as their first field
 * (PERF_SAMPLE_IDENTIFIER), all others as their last (sample_id_all). 64 bytes. */
struct tp_perf_event {
    uint64_t id;
    uint64_t sample_type; /* PERF_SAMPLE_* */
    uint64_t regs_user;   /* bits of PERF_REG_* */
    uint64_t period;      /* what one sample stands for: nanoseconds, faults, accesses */
    uint32_t type;        /* PERF_TYPE_* or the number of a PMU */
    uint32_t flags;       /* TP_PERF_KERNEL: the kernel's own events are in */
    uint64_t config;
    char name[16];
};

#define TP_PERF_KERNEL 1u

#endif
