/* stream_estimates.c - what the emulation takes a thread to have moved, over patterns whose bytes are known:
 * samples every millisecond or so of the thread's time. Built with native/place/streams.c. Prints estimated
 * over true. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../native/common/planfile.h"
#include "../../native/place/streams.h"

enum { SAMPLES = 4000 };

static const double line_ns = 100.0;
static const uintptr_t base = 0x7f0000000000;
static uint64_t state = 88172645463325252ull;

static double uniform(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

struct pattern {
    const char *name;
    double array_bytes, bytes_per_ns; /* swept; rate 0: random */
    uint64_t stride;                  /* of a sweep: bytes from one access to the next */
    double jitter;                    /* of the rate, relative */
    int copies;                       /* a second array is written at the same time */
    double moved_per_swept;
};

static const struct pattern patterns[] = {
    {"sweep", 96e6, 12, 8, 0.1, 0, 1},        {"sweep downwards", 96e6, -12, 8, 0.1, 0, 1},
    {"slow sweep", 96e6, 0.5, 8, 0.1, 0, 1},  {"unsteady sweep", 400e6, 8, 8, 0.25, 0, 1},
    {"copy", 96e6, 5, 8, 0.1, 1, 2},          {"sparse sweep", 400e6, 30, 1024, 0.1, 0, 64.0 / 1024},
    {"random in 64 MB", 64e6, 0, 8, 0, 0, 0}, {"random in 1 GB", 1e9, 0, 8, 0, 0, 0},
    {"random in 64 GB", 64e9, 0, 8, 0, 0, 0},
};

/* One sample: what is charged for it, as the emulation does. */
static double charge(struct tpi_streams *streams, struct tpi_access *accesses, size_t n, double now,
                     double useful) {
    double bytes = 0;
    tpi_streams_follow(streams, accesses, n, (uint64_t)now);
    if (!accesses[0].known) accesses[0].bytes = tpi_streams_lines(&accesses[0], (uint64_t)useful, line_ns);
    for (size_t i = 0; i < n; i++)
        bytes += (double)accesses[i].bytes;
    return bytes;
}

static double estimate(const struct pattern *pattern) {
    struct tpi_streams streams;
    double now = 1e6, at = 0, truly = 0, charged = 0;
    memset(&streams, 0, sizeof streams);
    for (int i = 0; i < SAMPLES; i++) {
        double useful = 1e6 * (0.05 + 0.95 * uniform());
        double swept = pattern->bytes_per_ns * useful * (1 + pattern->jitter * (2 * uniform() - 1));
        now += useful;
        at += swept;
        while (at >= pattern->array_bytes)
            at -= pattern->array_bytes;
        while (at < 0)
            at += pattern->array_bytes;
        if (swept == 0) at = pattern->array_bytes * uniform();
        truly += swept == 0 ? useful / line_ns * 64 : (swept < 0 ? -swept : swept) * pattern->moved_per_swept;
        uintptr_t address = base + (uintptr_t)at / pattern->stride * pattern->stride;
        /* The access by the instruction behind it and by the next one, and a store elsewhere. */
        struct tpi_access accesses[] = {
            {.address = address, .ip = 0x401010, .tier = 1, .kind = TP_ACCESS_LOAD},
            {.address = address, .ip = 0x401014, .tier = 1, .kind = TP_ACCESS_LOAD},
            {.address = address + (uintptr_t)pattern->array_bytes,
             .ip = 0x401018,
             .tier = 1,
             .kind = TP_ACCESS_STORE},
        };
        charged += charge(&streams, accesses, pattern->copies ? 3 : 2, now, useful);
    }
    return charged / truly;
}

int main(void) {
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        printf("%s: %.2f\n", patterns[i].name, estimate(&patterns[i]));
    return 0;
}
