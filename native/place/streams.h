/* streams.h - how much a thread moved, estimated from the addresses of its samples.
 *
 * A stream is an array that is swept: successive samples find it further on, at a steady rate. What it swept
 * between two samples was moved, times the share of it that its stride touches. Anything else counts as one
 * line at a time, each taking as long as a random read does on this machine.
 *
 * What it cannot see: how many misses a processor overlaps outside streams (a gather of eight counts as one),
 * and what a cache kept from the memory.
 */
#ifndef TP_STREAMS_H
#define TP_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#define TPI_STREAMS 8u
#define TPI_VERDICTS 16u

struct tpi_stream {
    uintptr_t address, ip; /* of the last sample of it */
    uint64_t seen_ns;      /* in the thread's useful time; 0: the place is free */
    double bytes_per_ns;   /* negative: downwards */
    uint64_t stride;       /* divides every distance seen */
    uint64_t swept;        /* not charged yet: it may prove to be no stream */
    uint8_t tier, trust;
    uint8_t kinds,
        next_kinds; /* of access: at the sample before the last, which is what counts; at the last */
};

/* Does this instruction sweep? Random places lie now and then where a sweep would have come. */
struct tpi_verdict {
    uintptr_t ip;
    int score; /* up when a sample is where its stream should be, down when it is not */
};

/* One thread's. */
struct tpi_streams {
    struct tpi_stream all[TPI_STREAMS];
    struct tpi_verdict verdicts[TPI_VERDICTS];
};

struct tpi_access {
    uintptr_t address, ip;
    uint8_t tier, kind; /* enum tp_access */
};

/* Bytes that the access's stream has moved since it was seen last; 0 while it is not known to be one. `known`
 * tells whether the access may belong to a stream at all. */
uint64_t tpi_streams_follow(struct tpi_streams *streams, const struct tpi_access *access, uint64_t now_ns,
                            bool *known);

/* What accesses outside streams move in `useful_ns`, at `line_ns` a line. */
uint64_t tpi_streams_lines(const struct tpi_access *access, uint64_t useful_ns, double line_ns);

#endif
