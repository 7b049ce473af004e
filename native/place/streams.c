/* streams.c - see streams.h. Everything here runs in signal context, on one thread's own state. */
#include "streams.h"

#include <stddef.h>

#include "../common/planfile.h"

#define TPI_LINE_BYTES 64u
#define TPI_TRUSTED 2u /* a pair of samples, and one more where it was expected */
#define TPI_MOST_TRUST 6u
#define TPI_SURE 6                 /* a verdict's largest score */
#define TPI_MOST_BYTES_PER_NS 64.0 /* no thread sweeps faster */
#define TPI_TOLERANCE 0.3          /* of the distance that was expected */
#define TPI_SLACK_BYTES 16384.0
#define TPI_SLACK_NS 30000.0    /* of its time a thread gets going again after it was held up */
#define TPI_MEMORY_NS 4000000.0 /* over which a rate is averaged */
#define TPI_SPARSE_BYTES 256u   /* an unrolled loop's samples are so far apart, and it skips no line */

static double tpi_size(double x) {
    return x < 0 ? -x : x;
}

static uint64_t tpi_gcd(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* A load and a store of one line are two transfers; the program asked for both. */
static unsigned tpi_transfers(uint8_t kinds) {
    return (kinds & TP_ACCESS_LOAD ? 1u : 0u) + (kinds & TP_ACCESS_STORE ? 1u : 0u);
}

/* enum tp_access as a mask: an update is both. */
static uint8_t tpi_kind(const struct tpi_access *access) {
    return access->kind == TP_ACCESS_NONE ? TP_ACCESS_LOAD : access->kind & TP_ACCESS_UPDATE;
}

_Static_assert(TP_ACCESS_UPDATE == (TP_ACCESS_LOAD | TP_ACCESS_STORE), "kinds of access are a mask");

/* How far the access is from where the stream should be by now; negative: out of its reach. */
static double tpi_distance(const struct tpi_stream *stream, const struct tpi_access *access, double gone_ns) {
    double moved = (double)(intptr_t)(access->address - stream->address);
    if (stream->tier != access->tier || tpi_size(moved) > TPI_MOST_BYTES_PER_NS * gone_ns + TPI_SLACK_BYTES)
        return -1;
    if (stream->trust == 0) return tpi_size(moved); /* one sample yet: it may go anywhere */
    double off = tpi_size(moved - stream->bytes_per_ns * gone_ns);
    double slack = tpi_size(stream->bytes_per_ns) * (TPI_TOLERANCE * gone_ns + TPI_SLACK_NS);
    return off <= slack + TPI_SLACK_BYTES ? off : -1;
}

/* Proven streams come first: one on trial that has seen a single sample fits nearly everything. */
static struct tpi_stream *tpi_nearest(struct tpi_streams *streams, const struct tpi_access *access,
                                      uint64_t now_ns) {
    struct tpi_stream *best = NULL;
    double best_off = 0;
    for (unsigned i = 0; i < TPI_STREAMS; i++) {
        struct tpi_stream *stream = &streams->all[i];
        if (stream->seen_ns == 0) continue;
        double off = tpi_distance(stream, access, (double)(now_ns - stream->seen_ns));
        if (off < 0) continue;
        bool firmer = best != NULL && (stream->trust > 0) != (best->trust > 0);
        if (best == NULL || (firmer ? stream->trust > 0 : off < best_off)) {
            best = stream;
            best_off = off;
        }
    }
    return best;
}

/* A sweep that was proven, seen by the same instruction at a place where it could not have come: it has begun
 * anew, or gone on with another row. */
static struct tpi_stream *tpi_that_jumped(struct tpi_streams *streams, const struct tpi_access *access) {
    for (unsigned i = 0; i < TPI_STREAMS; i++) {
        struct tpi_stream *stream = &streams->all[i];
        if (stream->seen_ns != 0 && stream->trust >= TPI_TRUSTED && stream->ip == access->ip &&
            stream->tier == access->tier)
            return stream;
    }
    return NULL;
}

static struct tpi_stream *tpi_oldest(struct tpi_streams *streams) {
    struct tpi_stream *oldest = &streams->all[0];
    for (unsigned i = 1; i < TPI_STREAMS; i++)
        if (streams->all[i].seen_ns < oldest->seen_ns) oldest = &streams->all[i];
    return oldest;
}

static struct tpi_verdict *tpi_verdict(struct tpi_streams *streams, uintptr_t ip) {
    struct tpi_verdict *verdict = &streams->verdicts[(ip * 0x9e3779b97f4a7c15ull) >> 60];
    if (verdict->ip != ip) *verdict = (struct tpi_verdict){ip, 0};
    return verdict;
}

static void tpi_judge(struct tpi_verdict *verdict, bool fulfilled) {
    if (fulfilled && verdict->score < TPI_SURE) verdict->score++;
    if (!fulfilled && verdict->score > -TPI_SURE) verdict->score--;
}

static uint64_t tpi_moved(const struct tpi_stream *stream, double distance) {
    double touched =
        stream->stride > TPI_SPARSE_BYTES ? (double)TPI_LINE_BYTES / (double)stream->stride : 1.0;
    return (uint64_t)(distance * touched) * tpi_transfers(stream->kinds);
}

static void tpi_see(struct tpi_stream *stream, const struct tpi_access *access, uint64_t now_ns) {
    stream->address = access->address;
    stream->ip = access->ip;
    stream->seen_ns = now_ns;
    stream->kinds = stream->next_kinds;
    stream->next_kinds = tpi_kind(access);
}

static void tpi_advance(struct tpi_stream *stream, const struct tpi_access *access, uint64_t now_ns) {
    double moved = (double)(intptr_t)(access->address - stream->address);
    double gone_ns = (double)(now_ns - stream->seen_ns);
    double memory_ns = stream->trust == 0 ? 0 : TPI_MEMORY_NS;
    stream->stride = tpi_gcd(stream->stride, (uint64_t)tpi_size(moved));
    stream->bytes_per_ns = (stream->bytes_per_ns * memory_ns + moved) / (memory_ns + gone_ns);
    if (stream->trust < TPI_MOST_TRUST) stream->trust++;
    tpi_see(stream, access, now_ns);
    stream->swept += tpi_moved(stream, tpi_size(moved));
}

static void tpi_jump(struct tpi_stream *stream, const struct tpi_access *access, uint64_t now_ns) {
    double gone_ns = (double)(now_ns - stream->seen_ns);
    stream->trust--;
    tpi_see(stream, access, now_ns);
    stream->swept += tpi_moved(stream, tpi_size(stream->bytes_per_ns) * gone_ns);
}

static void tpi_begin(struct tpi_streams *streams, const struct tpi_access *access, uint64_t now_ns) {
    struct tpi_stream *stream = tpi_oldest(streams);
    *stream = (struct tpi_stream){.tier = access->tier};
    tpi_see(stream, access, now_ns);
}

/* What has been swept, once it is sure enough that it was. */
static uint64_t tpi_collect(struct tpi_stream *stream, const struct tpi_verdict *verdict) {
    if (stream->trust < TPI_TRUSTED || verdict->score <= 0) return 0;
    uint64_t swept = stream->swept;
    stream->swept = 0;
    return swept;
}

uint64_t tpi_streams_follow(struct tpi_streams *streams, const struct tpi_access *access, uint64_t now_ns,
                            bool *known) {
    struct tpi_verdict *verdict = tpi_verdict(streams, access->ip);
    struct tpi_stream *stream = tpi_nearest(streams, access, now_ns);
    if (stream != NULL && now_ns == stream->seen_ns) { /* the same stream by another instruction */
        stream->next_kinds |= tpi_kind(access);
        *known = true;
        return 0;
    }
    bool foretold = stream != NULL && stream->trust > 0;
    if (foretold || stream == NULL) tpi_judge(verdict, foretold);
    *known = verdict->score >= 0;
    if (stream != NULL) tpi_advance(stream, access, now_ns);
    if (stream == NULL && (stream = tpi_that_jumped(streams, access)) != NULL)
        tpi_jump(stream, access, now_ns);
    if (stream != NULL) return tpi_collect(stream, verdict);
    tpi_begin(streams, access, now_ns);
    return 0;
}

uint64_t tpi_streams_lines(const struct tpi_access *access, uint64_t useful_ns, double line_ns) {
    return (uint64_t)((double)useful_ns / line_ns) * TPI_LINE_BYTES * tpi_transfers(tpi_kind(access));
}
