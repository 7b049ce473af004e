/* tagged.h - finds the records of a file in which each stands behind its type and its length (exactfile.h).
 *
 * A pure function over a buffer: it trusts nothing in it, reads nothing outside it and keeps no state. */
#ifndef TP_TAGGED_H
#define TP_TAGGED_H

#include <stdint.h>

/* One record. 16 bytes. */
struct tp_tagged_record {
    uint64_t offset; /* of its payload, from the start of the buffer */
    uint32_t type;
    uint32_t bytes; /* of its payload */
};

/* Finds the records from `at` on until [buffer, buffer + bytes) ends, a record is cut short, has a type
 * beyond `last_type` or 0, or `capacity` records are found. Returns how many, and moves `at` behind the last
 * whole one. */
uint64_t tp_tagged_scan(const void *buffer, uint64_t bytes, uint32_t last_type, uint64_t *at,
                        struct tp_tagged_record *records, uint64_t capacity);

#endif
