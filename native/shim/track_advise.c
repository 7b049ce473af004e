/* track_advise.c - madvise and mprotect: placement answers where memory of a shared tier is concerned.
 * Nothing is recorded.
 */
#include <errno.h>
#include <sys/mman.h>

#include "../place/move.h"
#include "../place/place.h"
#include "hooks.h"
#include "track.h"

/* The guard, if this thread has not got it already, and no object moves meanwhile. */
struct tpi_change {
    tp_guard guard;
    bool entered, waited;
};

static void tpi_begin_change(struct tpi_change *change) {
    change->entered = tp_guard_enter(&change->guard);
    if (change->entered) tp_move_pause(&change->guard, &change->waited);
}

static void tpi_end_change(struct tpi_change *change, int status) {
    if (!change->entered) return;
    if (status != 0) change->guard.saved_errno = errno;
    tp_move_resume(&change->guard, change->waited);
    tp_guard_leave(&change->guard);
}

/* Without the guard, too: what placement does here needs no other lock than its own, and to pass the call on
 * would leave old data where zeroes are promised. */
int tp_track_madvise(void *address, size_t size, int advice) {
    struct tpi_change change;
    if (!tp_place_active()) return tp_real.madvise(address, size, advice);
    tp_move_advised(advice);
    tpi_begin_change(&change);
    int status = tp_place_shares(address, size) ? tp_place_madvise(address, size, advice)
                                                : tp_real.madvise(address, size, advice);
    tpi_end_change(&change, status);
    return status;
}

/* Of shared memory the kernel refuses code where the file system forbids it, and parts of a huge page. */
static int tpi_mprotect(void *address, size_t size, int prot, bool entered) {
    int status = tp_real.mprotect(address, size, prot), refused = errno;
    if (status == 0 || (refused != EACCES && refused != EPERM && refused != EINVAL)) return status;
    if (entered && tp_place_shares(address, size) && tp_place_make_private(address, size))
        return tp_real.mprotect(address, size, prot);
    errno = refused;
    return status;
}

int tp_track_mprotect(void *address, size_t size, int prot) {
    struct tpi_change change;
    if (!tp_place_active()) return tp_real.mprotect(address, size, prot);
    tpi_begin_change(&change);
    int status = tpi_mprotect(address, size, prot, change.entered);
    tpi_end_change(&change, status);
    return status;
}
