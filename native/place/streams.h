/* streams.h - how much a thread moved, estimated from the addresses of its samples.
 *
 * An instruction that sweeps an array is found further on at each sample, at a steady rate. What it swept
 * since the last one was moved, times the share of it that its stride touches. Any other access counts as one
 * line at a time, each taking as long as a random read does on this machine. Bytes are counted as a program
 * sees them: read or written once each, and not what caches add.
 *
 * What it cannot see: how many misses a processor overlaps outside streams (eight at once count as one), what
 * a cache kept from the memory, and a sweep of so little memory that it is over between two samples.
 */
#ifndef TP_STREAMS_H
#define TP_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TPI_STREAMS 12u

struct tpi_stream {
    uintptr_t ip, address; /* the instruction, and where it was at the last sample */
    uint64_t seen_ns;      /* in the thread's useful time; 0: the place is free */
    double bytes_per_ns;   /* negative: downwards; 0: one sample yet */
    uint64_t stride;       /* divides every distance seen */
    uint64_t swept;        /* not charged yet: it may prove to be no stream */
    int score;             /* up when it is where it was expected, down when it is not; above 0: a stream */
};

/* One thread's. */
struct tpi_streams {
    struct tpi_stream all[TPI_STREAMS];
    double missed; /* share of its samples that were not foretold: above 0.8 only sure streams are charged */
};

/* An access of the loop in which a sample fell, and what is made of it. */
struct tpi_access {
    uintptr_t address, ip;
    uint8_t tier, kind; /* enum tp_access */
    bool known;         /* out: it may belong to a stream */
    uint64_t bytes;     /* out: moved since it was seen last */
};

/* Fills in what each of the accesses, all of one sample, has moved. Those that are at one place are one
 * stream. */
void tpi_streams_follow(struct tpi_streams *streams, struct tpi_access *accesses, size_t n, uint64_t now_ns);

/* What an access outside streams moves in `useful_ns`, at `line_ns` a line. */
uint64_t tpi_streams_lines(const struct tpi_access *access, uint64_t useful_ns, double line_ns);

#endif
