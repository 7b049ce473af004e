/* guard.h - the recursion guard. Whoever holds a tp_guard is inside the shim: allocations that happen
 * meanwhile on this thread (libc, memkind, a signal handler) go straight to the real functions. Functions
 * that may allocate, or take locks, ask for the guard as proof.
 */
#ifndef TP_GUARD_H
#define TP_GUARD_H

#include <errno.h>

#include "../common/check.h"
#include "../common/lock.h"
#include "thread.h"

typedef struct {
    struct tp_thread *self;
    int saved_errno; /* what the program will find after the hook */
} tp_guard;

static inline bool tp_guard_enter(tp_guard *guard) {
    struct tp_thread *self = &tp_self;
    if (self->depth > 0) return false;
    self->depth = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    guard->self = self;
    guard->saved_errno = errno;
    return true;
}

static inline void tp_guard_leave(tp_guard *guard) {
    TP_CHECK(guard->self == &tp_self && guard->self->depth == 1 && guard->self->locks == 0);
    errno = guard->saved_errno;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    guard->self->depth = 0;
}

static inline void tp_guard_lock(tp_guard *guard, tp_lock *lock) {
    guard->self->locks++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    tp_lock_acquire(lock);
}

static inline void tp_guard_unlock(tp_guard *guard, tp_lock *lock) {
    tp_lock_release(lock);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    guard->self->locks--;
}

#endif
