/* lock.h - a mutex of four bytes that needs no library: usable before libc is ready, and a plain store makes
 * it new again in a forked child. Waiters sleep in the kernel, because a holder may be preempted.
 */
#ifndef TP_LOCK_H
#define TP_LOCK_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TPI_LOCK_FREE = 0, TPI_LOCK_HELD = 1, TPI_LOCK_WAITED_FOR = 2 };

typedef struct {
    uint32_t state;
} tp_lock;

#define TP_LOCK_INIT {TPI_LOCK_FREE}

static inline bool tp_lock_try(tp_lock *lock) {
    uint32_t expected = TPI_LOCK_FREE;
    return __atomic_compare_exchange_n(&lock->state, &expected, TPI_LOCK_HELD, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static inline void tp_lock_acquire(tp_lock *lock) {
    if (__builtin_expect(tp_lock_try(lock), 1)) return;
    while (__atomic_exchange_n(&lock->state, TPI_LOCK_WAITED_FOR, __ATOMIC_ACQUIRE) != TPI_LOCK_FREE)
        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, TPI_LOCK_WAITED_FOR, NULL, NULL, 0);
}

static inline void tp_lock_release(tp_lock *lock) {
    if (__atomic_exchange_n(&lock->state, TPI_LOCK_FREE, __ATOMIC_RELEASE) == TPI_LOCK_WAITED_FOR)
        syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Only where no other thread can hold it: in a forked child. */
static inline void tp_lock_renew(tp_lock *lock) {
    __atomic_store_n(&lock->state, TPI_LOCK_FREE, __ATOMIC_RELAXED);
}

#endif
