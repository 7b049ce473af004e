/* prefetch.c - what the stream and stride prefetchers learn.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "prefetch.h"

#define TPMI_PAGE_LINES 64
#define TPMI_LINE_BYTES 64
#define TPMI_LONGEST_STRIDE 2048
#define TPMI_PAGE_BITS 12

/* A stream is one word: the page plus one, then two lines of it, then flags. */
#define TPMI_STREAM_PAGE ((1ull << 37) - 1)
#define TPMI_STREAM_LAST 37  /* six bits: what was asked for last */
#define TPMI_STREAM_AHEAD 43 /* six bits: once confirmed, the farthest line fetched */
#define TPMI_STREAM_UP (1ull << 49)
#define TPMI_STREAM_DOWN (2ull << 49)
#define TPMI_STREAM_CONFIRMED (4ull << 49)

bool tpm_streams_new(struct tpm_streams *streams, const struct tpm_host *host) {
    return tpm_sets_new(&streams->pages, TPM_STREAMS, TPM_STREAM_WAYS, false, host);
}

void tpm_streams_free(struct tpm_streams *streams, const struct tpm_host *host) {
    tpm_sets_free(&streams->pages, host);
}

static int tpmi_stream_line(uint64_t stream, unsigned shift) {
    return (int)(stream >> shift & (TPMI_PAGE_LINES - 1));
}

static uint64_t tpmi_stream(uint64_t page, int last, int ahead, uint64_t flags) {
    return (page + 1) | (uint64_t)last << TPMI_STREAM_LAST | (uint64_t)ahead << TPMI_STREAM_AHEAD | flags;
}

unsigned tpm_streams_observe(struct tpm_streams *streams, uint64_t line, unsigned depth,
                             uint64_t lines[TPM_AHEAD]) {
    uint64_t page = line / TPMI_PAGE_LINES, victim;
    int offset = (int)(line % TPMI_PAGE_LINES);
    bool known;
    uint64_t *stream = tpmi_sets_use(&streams->pages, tpmi_number_place(&streams->pages, page),
                                     TPMI_STREAM_PAGE, &known, &victim);
    if (!known) {
        *stream = tpmi_stream(page, offset, 0, 0);
        return 0;
    }
    int last = tpmi_stream_line(*stream, TPMI_STREAM_LAST);
    if (offset == last) return 0;
    uint64_t way = offset > last ? TPMI_STREAM_UP : TPMI_STREAM_DOWN;
    int direction = offset > last ? 1 : -1;
    if (!(*stream & way)) {
        *stream = tpmi_stream(page, offset, 0, way);
        return 0;
    }
    int ahead = *stream & TPMI_STREAM_CONFIRMED ? tpmi_stream_line(*stream, TPMI_STREAM_AHEAD) : offset;
    int limit = offset + direction * (int)depth;
    if ((ahead - offset) * direction < 0) ahead = offset;
    if (limit < 0) limit = 0;
    if (limit >= TPMI_PAGE_LINES) limit = TPMI_PAGE_LINES - 1;
    unsigned count = 0;
    while (count < TPM_AHEAD && (limit - ahead) * direction > 0) {
        ahead += direction;
        lines[count++] = page * TPMI_PAGE_LINES + (uint64_t)ahead;
    }
    *stream = tpmi_stream(page, offset, ahead, way | TPMI_STREAM_CONFIRMED);
    return count;
}

unsigned tpm_strides_observe(struct tpm_strides *strides, uint64_t pc, uint64_t address,
                             uint64_t lines[TPM_AHEAD]) {
    struct tpm_stride *entry = &strides->entry[pc % TPM_STRIDES];
    if (entry->key != pc + 1) {
        *entry = (struct tpm_stride){.key = pc + 1, .address = address};
        return 0;
    }
    int64_t stride = (int64_t)(address - entry->address);
    entry->address = address;
    if (stride == 0) return 0;
    if (stride > 0 && stride < 2 * TPMI_LINE_BYTES) stride = TPMI_LINE_BYTES;
    if (stride < 0 && stride > -2 * TPMI_LINE_BYTES) stride = -TPMI_LINE_BYTES;
    if (stride != entry->stride) {
        entry->stride = stride;
        return 0;
    }
    if (stride > TPMI_LONGEST_STRIDE || stride < -TPMI_LONGEST_STRIDE) return 0;
    unsigned count = 0;
    for (uint64_t target = address + (uint64_t)stride; count < TPM_AHEAD; target += (uint64_t)stride) {
        if ((target ^ address) >> TPMI_PAGE_BITS) break;
        lines[count++] = target / TPMI_LINE_BYTES;
    }
    return count;
}
