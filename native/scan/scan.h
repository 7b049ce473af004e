/* scan.h - splits perf's variable-length records into arrays, so that numpy can take the fields.
 *
 * Pure functions over a buffer: they trust nothing in it, read nothing outside it and keep no state. */
#ifndef TP_SCAN_H
#define TP_SCAN_H

#include <stdint.h>

#define TP_SCAN_NO_EVENT UINT8_MAX

/* One split record. 16 bytes. */
struct tp_scan_record {
    uint64_t offset; /* of its header, from the start of the buffer */
    uint32_t type;   /* PERF_RECORD_* */
    uint16_t size;   /* header included */
    uint8_t event;   /* index of its id in `ids`, or TP_SCAN_NO_EVENT */
    uint8_t misc; /* cpumode: misc & PERF_RECORD_MISC_CPUMODE_MASK; bit 3: exact ip; bit 4: build-id; bit 5:
                     exec */
};

#define TP_SCAN_EXACT_IP 8u
#define TP_SCAN_BUILD_ID 16u
#define TP_SCAN_EXEC 32u

struct tp_scan_result {
    uint64_t n_records;
    uint64_t consumed; /* bytes of whole records; the rest is cut short or, if `malformed`, no record */
    uint32_t malformed;
    uint32_t pad;
};

/* Splits [buffer, buffer + bytes) until it ends, a record is cut short, makes no sense, or `capacity` records
 * are found. `buffer` is 8-byte aligned. */
void tp_scan(const void *buffer, uint64_t bytes, const uint64_t *ids, uint32_t n_ids,
             struct tp_scan_record *records, uint64_t capacity, struct tp_scan_result *result);

#endif
