/* move.h - moves the live memory of a site to another tier while the program uses it.
 *
 * Where only the kernel's idea of the pages differs it changes in place (tier.h: retarget); otherwise a copy
 * takes the place of the pages (slices.h) while writers wait (freeze.h). All goes by chunks of at most
 * TP_MOVE_CHUNK_BYTES, or one huge page where that is larger. After each of them the object is whole, the
 * pagemap says of every page which tier it is in, and the tiers' accounts agree with it; what an object is
 * given back by is the pagemap too.
 *
 * Who moves is a thread of the program: see phases.h and control.h. There is one mover at a time.
 */
#ifndef TP_MOVE_H
#define TP_MOVE_H

#include "../common/control.h"
#include "../shim/guard.h"

#define TP_MOVE_CHUNK_BYTES ((size_t)2 << 20)

struct tp_move_request {
    uint64_t key_hi, key_lo;
    unsigned tier;
    uint64_t max_bytes; /* no further chunk is begun once so much has moved */
    bool waits;         /* for another mover; a signal handler must not */
};

/* What has come of it; counts bytes as the program asked for them. */
struct tp_move_result {
    uint64_t moved_bytes, left_bytes; /* left: they can move, but max_bytes are used up */
    uint64_t stay_bytes[TP_STAYS];
    uint64_t chunks, frozen_ns, worst_ns;
    int error;   /* of the first system call that failed */
    bool unseen; /* the site has not allocated yet */
};

/* Further allocations of the site go to the tier, and what is alive moves there. False: another thread is
 * moving, and nothing was done. */
bool tp_move(tp_guard *guard, const struct tp_move_request *request, struct tp_move_result *result);

/* Around what changes the mappings of live memory behind the mover's back: the program's madvise and
 * mprotect. Cheap as long as nothing moves. */
void tp_move_pause(tp_guard *guard, bool *waited);
void tp_move_resume(tp_guard *guard, bool waited);

/* The program has given advice (madvise) about some memory: what is to last must hold after a move, too. */
void tp_move_advised(int advice);

/* Around a move in a signal handler. The program may have been interrupted anywhere, with the C library's
 * locks taken, while a fork holds ours and waits for those: so handlers and forks keep each other out. False:
 * a fork is on its way, and nothing may be locked. */
bool tp_move_enter_handler(tp_guard *guard);
void tp_move_leave_handler(tp_guard *guard);

/* Fork waits for the chunk that is being moved, so that a child never sees half of one; a move that goes over
 * many calls is the parent's alone. */
void tp_move_fork_prepare(tp_guard *guard);
void tp_move_fork_parent(tp_guard *guard);
void tp_move_fork_child(void);

#endif
