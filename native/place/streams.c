/* streams.c - see streams.h. Everything here runs in signal context, on one thread's own state. */
#include "streams.h"

#include "../common/planfile.h"

#define TPI_LINE_BYTES 64u
#define TPI_SPARSE_BYTES 256u /* an unrolled loop's samples are so far apart, and it skips no line */
#define TPI_SURE 6            /* the largest score */
#define TPI_SWEEPER 0.8       /* random reads miss where a sweep would be all but one time in some dozens */
#define TPI_RECENT 0.1        /* what the last sample weighs in that share */
#define TPI_MOST_BYTES_PER_NS 64.0 /* no thread sweeps faster */
#define TPI_TOLERANCE 0.3          /* of the distance that was expected */
#define TPI_SLACK_BYTES 16384.0
#define TPI_SLACK_NS 30000.0    /* of its time a thread gets going again after it was held up */
#define TPI_MEMORY_NS 4000000.0 /* over which a rate is averaged */

_Static_assert(TP_ACCESS_UPDATE == (TP_ACCESS_LOAD | TP_ACCESS_STORE), "kinds of access are a mask");

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

static double tpi_way(uintptr_t from, uintptr_t to) {
    return (double)(intptr_t)(to - from);
}

/* A load and a store of one line are two transfers; the program asked for both. */
static unsigned tpi_transfers(unsigned kinds) {
    return ((kinds & TP_ACCESS_LOAD) != 0) + ((kinds & TP_ACCESS_STORE) != 0);
}

static unsigned tpi_kind(const struct tpi_access *access) {
    return access->kind == TP_ACCESS_NONE ? TP_ACCESS_LOAD : access->kind & TP_ACCESS_UPDATE;
}

/* That of the instruction; or the place for it: a free one, else the one that was not seen for longest. */
static struct tpi_stream *tpi_stream_of(struct tpi_streams *streams, uintptr_t ip) {
    struct tpi_stream *oldest = &streams->all[0];
    for (unsigned i = 0; i < TPI_STREAMS; i++) {
        if (streams->all[i].seen_ns != 0 && streams->all[i].ip == ip) return &streams->all[i];
        if (streams->all[i].seen_ns < oldest->seen_ns) oldest = &streams->all[i];
    }
    *oldest = (struct tpi_stream){.ip = ip};
    return oldest;
}

static bool tpi_foretold(const struct tpi_stream *stream, double moved, double gone_ns) {
    double off = tpi_size(moved - stream->bytes_per_ns * gone_ns);
    double slack = tpi_size(stream->bytes_per_ns) * (TPI_TOLERANCE * gone_ns + TPI_SLACK_NS);
    return stream->bytes_per_ns != 0 && off <= slack + TPI_SLACK_BYTES;
}

static uint64_t tpi_touched(const struct tpi_stream *stream, double way) {
    bool sparse = stream->stride > TPI_SPARSE_BYTES;
    return (uint64_t)(sparse ? way * TPI_LINE_BYTES / (double)stream->stride : way);
}

static void tpi_go_on(struct tpi_stream *stream, double moved, double gone_ns) {
    if (stream->score < TPI_SURE) stream->score++;
    stream->stride = tpi_gcd(stream->stride, (uint64_t)tpi_size(moved));
    stream->bytes_per_ns = (stream->bytes_per_ns * TPI_MEMORY_NS + moved) / (TPI_MEMORY_NS + gone_ns);
    stream->swept += tpi_touched(stream, tpi_size(moved));
}

/* It could not have come there. If it is sure to be a stream, it has begun anew or gone on with another row;
 * if not, this may be the second sample of one. */
static void tpi_jump(struct tpi_stream *stream, double moved, double gone_ns) {
    if (stream->bytes_per_ns != 0 && stream->score > -TPI_SURE) stream->score--;
    if (stream->score > 0) {
        stream->swept += tpi_touched(stream, tpi_size(stream->bytes_per_ns) * gone_ns);
        return;
    }
    bool possible = tpi_size(moved) <= TPI_MOST_BYTES_PER_NS * gone_ns;
    stream->bytes_per_ns = possible ? moved / gone_ns : 0;
    stream->stride = (uint64_t)tpi_size(moved);
    stream->swept = possible ? (uint64_t)tpi_size(moved) : 0;
}

/* One stream's step; `kinds` is all that is done at its place. */
static void tpi_step(struct tpi_streams *streams, struct tpi_stream *stream, struct tpi_access *access,
                     unsigned kinds, uint64_t now_ns) {
    double moved = tpi_way(stream->address, access->address), gone_ns = (double)(now_ns - stream->seen_ns);
    if (stream->seen_ns != 0 && now_ns > stream->seen_ns) {
        bool foretold = tpi_foretold(stream, moved, gone_ns);
        streams->missed += TPI_RECENT * (!foretold - streams->missed);
        if (foretold)
            tpi_go_on(stream, moved, gone_ns);
        else
            tpi_jump(stream, moved, gone_ns);
    }
    stream->address = access->address;
    stream->seen_ns = now_ns;
    access->known = stream->score >= 0;
    if (stream->score < (streams->missed <= TPI_SWEEPER ? 1 : 2)) return;
    access->bytes = stream->swept * tpi_transfers(kinds);
    stream->swept = 0;
}

void tpi_streams_follow(struct tpi_streams *streams, struct tpi_access *accesses, size_t n, uint64_t now_ns) {
    uint64_t done = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned kinds = 0;
        uintptr_t ip = accesses[i].ip; /* the lowest stands for all: it is the same at the next sample */
        if ((done >> i & 1) != 0) continue;
        for (size_t j = i; j < n; j++) {
            if (accesses[j].tier != accesses[i].tier ||
                tpi_size(tpi_way(accesses[i].address, accesses[j].address)) > TPI_SLACK_BYTES)
                continue;
            done |= 1ull << j;
            kinds |= tpi_kind(&accesses[j]);
            if (accesses[j].ip < ip) ip = accesses[j].ip;
        }
        tpi_step(streams, tpi_stream_of(streams, ip), &accesses[i], kinds, now_ns);
    }
}

uint64_t tpi_streams_lines(const struct tpi_access *access, uint64_t useful_ns, double line_ns) {
    return (uint64_t)((double)useful_ns / line_ns) * TPI_LINE_BYTES * tpi_transfers(tpi_kind(access));
}
