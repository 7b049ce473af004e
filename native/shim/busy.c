/* busy.c - waits for the mover, asleep. */
#include "busy.h"

#include <limits.h>

#include "../common/lock.h"

struct tpi_busy tp_busy;

void tp_busy_mark(uintptr_t start, uintptr_t end) {
    __atomic_store_n(&tp_busy.start, start, __ATOMIC_RELAXED);
    __atomic_store_n(&tp_busy.end, end, __ATOMIC_RELEASE);
}

void tp_busy_clear(void) {
    __atomic_store_n(&tp_busy.end, 0, __ATOMIC_RELEASE);
    __atomic_fetch_add(&tp_busy.sequence, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &tp_busy.sequence, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* A torn pair of start and end belongs to two chunks, neither of which is this range's: it was out of its
 * table before the later one was marked. To wait then is merely needless. */
void tpi_busy_wait(uintptr_t start, uintptr_t end) {
    for (;;) {
        uint32_t sequence = __atomic_load_n(&tp_busy.sequence, __ATOMIC_ACQUIRE);
        uintptr_t busy_end = __atomic_load_n(&tp_busy.end, __ATOMIC_ACQUIRE);
        uintptr_t busy_start = __atomic_load_n(&tp_busy.start, __ATOMIC_ACQUIRE);
        if (busy_end == 0 || busy_end <= start || busy_start >= end) return;
        syscall(SYS_futex, &tp_busy.sequence, FUTEX_WAIT_PRIVATE, sequence, NULL, NULL, 0);
    }
}
