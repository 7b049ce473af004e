#include "scan.h"

#include <linux/perf_event.h>
#include <string.h>

/* Fits no event, and no id that the kernel gives out. */
#define NO_ID 0

static uint64_t read_u64(const char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Samples carry their id first, all others last. */
static uint64_t id_of(const char *record, const struct perf_event_header *header) {
    if (header->size < sizeof *header + sizeof(uint64_t)) return NO_ID;
    size_t offset = header->type == PERF_RECORD_SAMPLE ? sizeof *header : header->size - sizeof(uint64_t);
    return read_u64(record + offset);
}

static uint8_t event_of(uint64_t id, const uint64_t *ids, uint32_t n_ids) {
    for (uint32_t e = 0; e < n_ids && id != NO_ID; e++)
        if (ids[e] == id) return (uint8_t)e;
    return TP_SCAN_NO_EVENT;
}

/* The kernel reuses bits 13 and 14 of misc from type to type. */
static uint8_t misc_of(const struct perf_event_header *header) {
    uint8_t misc = header->misc & PERF_RECORD_MISC_CPUMODE_MASK;
    if (header->type == PERF_RECORD_SAMPLE && (header->misc & PERF_RECORD_MISC_EXACT_IP))
        misc |= TP_SCAN_EXACT_IP;
    if (header->type == PERF_RECORD_MMAP2 && (header->misc & PERF_RECORD_MISC_MMAP_BUILD_ID))
        misc |= TP_SCAN_BUILD_ID;
    if (header->type == PERF_RECORD_COMM && (header->misc & PERF_RECORD_MISC_COMM_EXEC)) misc |= TP_SCAN_EXEC;
    return misc;
}

__attribute__((visibility("default"))) void tp_scan(const void *buffer, uint64_t bytes, const uint64_t *ids,
                                                    uint32_t n_ids, struct tp_scan_record *records,
                                                    uint64_t capacity, struct tp_scan_result *result) {
    const char *base = buffer;
    uint64_t at = 0, n = 0;
    *result = (struct tp_scan_result){0};
    while (n < capacity && bytes - at >= sizeof(struct perf_event_header)) {
        struct perf_event_header header;
        memcpy(&header, base + at, sizeof header);
        if (header.type == 0 || header.size < sizeof header || header.size % sizeof(uint64_t) != 0) {
            result->malformed = 1;
            break;
        }
        if (header.size > bytes - at) break;
        records[n++] = (struct tp_scan_record){.offset = at,
                                               .type = header.type,
                                               .size = header.size,
                                               .event = event_of(id_of(base + at, &header), ids, n_ids),
                                               .misc = misc_of(&header)};
        at += header.size;
    }
    result->n_records = n;
    result->consumed = at;
}
