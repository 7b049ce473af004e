/* control.h - control.PID.SEQ.bin: how another process asks this one to move live objects.
 *
 * One struct tp_control, mapped shared, beside the other raw files of a process that follows a plan. Who asks
 * (placer/moving.py) writes the request, its serial last, and sends a SIGTRAP whose value is the cookie. The
 * handler moves at most `max_bytes` and writes the answer, its serial last. A handler that comes at a bad
 * moment (its thread is inside the shim) does nothing: who gets no answer sends again. The mapping shows in
 * /proc/PID/maps, which is how the file is found, and the proof that SIGTRAP will not kill.
 */
#ifndef TP_CONTROL_H
#define TP_CONTROL_H

#include <stdint.h>

#include "records.h"

#define TP_CONTROL_MAGIC "TPCTRL\0" /* eight bytes with the final NUL */
#define TP_CONTROL_VERSION 1u

enum tp_control_state {
    TP_CONTROL_DONE = 1,   /* nothing is left that could move */
    TP_CONTROL_MORE = 2,   /* max_bytes are used up: ask again */
    TP_CONTROL_BAD = 3,    /* no such tier */
    TP_CONTROL_UNSEEN = 4, /* the site has not allocated yet; when it does, it will be in the tier */
};

/* Why bytes of the site stay where they are. */
enum tp_stay {
    TP_STAY_NONE = 0,
    TP_STAY_HEAP,      /* small, amid others in the C library's heap */
    TP_STAY_SHARED,    /* small, amid others in a memkind arena */
    TP_STAY_MAPPED,    /* mapped by the program itself, which may do with it what the tier cannot */
    TP_STAY_FULL,      /* the tier's capacity would be exceeded */
    TP_STAY_NO_MEMORY, /* the tier, or the kernel, had no pages */
    TP_STAY_CUT,       /* less than one page of the tier, or not at a multiple of it */
    TP_STAY_LOCKED,    /* locked into memory, or pinned for a device */
    TP_STAY_PROTECTED, /* the program made it unreadable or unwritable */
    TP_STAY_STACK,     /* a stack on which the move would run */
    TP_STAY_SIGNALS,   /* a thread blocks SIGSEGV, so its writers could not be kept waiting */
    TP_STAY_NODE,      /* the kernel left pages on their node */
    TP_STAY_FAILED,    /* a system call failed: see the error */
    TP_STAY_WAITED,    /* a thread waits in it for a lock that processes share */
    TP_STAYS = 16
};

struct tp_control_request {
    uint64_t key_hi, key_lo; /* the site */
    uint64_t max_bytes;      /* to move for this request; at least one chunk is moved */
    uint32_t tier, pad;
    uint64_t serial; /* last; 0: none yet */
};

struct tp_control_answer {
    uint64_t moved_bytes; /* for this request */
    uint64_t left_bytes;  /* that can move, and have not yet */
    uint64_t stay_bytes[TP_STAYS];
    uint64_t chunks, frozen_ns, worst_ns; /* writers kept waiting: in all, and by the worst chunk */
    uint64_t taken_ns;                    /* from the program's thread */
    uint32_t state;                       /* enum tp_control_state */
    int32_t error;                        /* errno of the first system call that failed, or 0 */
    uint64_t serial;                      /* last */
};

struct tp_control {
    char magic[8];
    uint32_t version, pid;
    uint64_t cookie; /* the value of the signal */
    uint64_t chunk_bytes;
    uint32_t n_tiers, pad;
    char tiers[TP_MAX_TIERS][32];
    struct tp_control_request request;
    struct tp_control_answer answer;
};

#endif
