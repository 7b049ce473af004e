/* thread.h - what the shim keeps for each thread. Initial-exec TLS: one instruction away, and never allocated
 * behind our back, as dynamic TLS is by malloc.
 */
#ifndef TP_THREAD_H
#define TP_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "../common/records.h"

struct tp_bin;
struct tp_cache;
struct tp_context;
struct tp_readable;

struct tp_thread {
    int64_t small_left;   /* bytes until the next sampled small allocation; negative: slow path */
    uint32_t depth;       /* recursion guard: > 0 inside the shim */
    uint32_t locks;       /* shim locks held: a signal handler on this thread must not wait for any */
    uint32_t incarnation; /* of the process this state belongs to; 0: thread not started */
    uint32_t tid;
    uint64_t random;                      /* state of xorshift64*, never 0 */
    void *chunk;                          /* of the record file, NULL: none */
    struct tp_record *record, *chunk_end; /* the next free record; == chunk_end: full, or no chunk */
    uintptr_t stack_low, stack_high;      /* the thread's own stack; 0, 0: not known */
    void *stack_copy;                     /* of another stack that the thread runs on; NULL: never needed */
    uint8_t stack_searches;               /* in /proc/self/maps */
    struct tp_context *contexts, *recent; /* call paths seen, and the last of them; NULL: none yet */
    struct tp_readable *readable;         /* pages that can be read; NULL: never asked */
    struct tp_cache *cache;               /* of objects from slabs; NULL: never needed */
    uintptr_t slab;                       /* that of the last free; 0: none */
    struct tp_bin *slab_bin;
    uint32_t slab_generation;
    uint32_t slow_calls; /* every TP_TIMED_CALLS-th is timed */
    struct {
        uint32_t allocations, frees, small_samples, unnamed, truncated;
        uint32_t context_keys, context_misses, context_mismatches;
        uint64_t small_bytes, shim_ns;
    } pending; /* counts not yet added to the shared counters */
};

extern __thread struct tp_thread tp_self;

#endif
