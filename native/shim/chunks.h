/* chunks.h - the pieces of a tier that slabs are cut from, and the descriptors that go with them. */
#ifndef TP_CHUNKS_H
#define TP_CHUNKS_H

#include "slabs.h"

#define TP_CHUNK_SLABS 32u

struct tpi_chunk {
    uintptr_t start;
    size_t size;
    uint32_t serial;     /* within its pool, rising: where a walk stands */
    uint32_t free_slabs; /* a bit each */
    uint8_t tier;
    bool placed; /* by the plan; without one it is a mapping of the shim's own */
    bool wanted; /* it is in the tier that was asked for */
    uint16_t pins, pool;
    struct tpi_chunk *next, *previous;
    struct tp_slab *slabs; /* size / TP_SLAB_BYTES of them */
};

static inline unsigned tpi_chunk_slabs(const struct tpi_chunk *chunk) {
    return (unsigned)(chunk->size >> TP_SLAB_SHIFT);
}

/* A chunk in `tier`, or where that spills to, known to the pagemap; NULL without memory. */
struct tpi_chunk *tpi_chunk_new(unsigned tier, size_t size);

/* Gives its memory back; the descriptors are kept for the next chunk. */
void tpi_chunk_release(struct tpi_chunk *chunk);

void tpi_chunks_fork_prepare(tp_guard *guard);
void tpi_chunks_fork_parent(tp_guard *guard);
void tpi_chunks_fork_child(void);

#endif
