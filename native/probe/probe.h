/* probe.h - the built-in microbenchmarks. Each prints one JSON object on standard output.
 *
 *   tierprof-probe random-read --fast-mib A --slow-mib B --seconds S [--threads T]
 *   tierprof-probe stream --kind read|write|copy --mib A --seconds S [--threads T]
 *   tierprof-probe skid --seconds S
 */
#ifndef TP_PROBE_H
#define TP_PROBE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct tp_probe_options {
    size_t fast_bytes, slow_bytes; /* of random-read */
    size_t bytes;                  /* of stream: of each thread's array */
    const char *kind;              /* of stream */
    double seconds;
    unsigned threads;
};

/* Exit statuses. */
int tp_probe_random_read(const struct tp_probe_options *options);
int tp_probe_stream(const struct tp_probe_options *options);
int tp_probe_skid(const struct tp_probe_options *options);

static inline uint64_t tp_probe_clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t tp_probe_random(uint64_t *state) { /* xorshift64 of Marsaglia */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A number below `n`, without division. */
static inline size_t tp_probe_below(uint64_t random, size_t n) {
    return (size_t)((__uint128_t)random * n >> 64);
}

/* Writes every page, so that no page fault is timed later. Returns its argument. */
uint64_t *tp_probe_touch(uint64_t *array, size_t bytes);

#endif
