/* busy.h - the one range of memory that is being moved to another tier just now, so that nobody gives it back
 * meanwhile.
 *
 * The protocol. A mover takes hold of a chunk (at most some MiB) under the lock of the table that says whose
 * the memory is - owners.c, maps.c, slabs - and only if it is still in there. Whoever ends an allocation
 * takes it out of its table first, and afterwards, without that lock, waits until no mover holds any of it.
 * So either the mover finds it gone, or the end waits for one chunk, which takes milliseconds; no chunk of it
 * is begun after that. The program's own reads and writes know nothing of this: see place/freeze.h for them.
 */
#ifndef TP_BUSY_H
#define TP_BUSY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tpi_busy {
    uintptr_t start, end; /* end 0: nothing moves */
    uint32_t sequence;    /* of chunks that have ended */
};

extern struct tpi_busy tp_busy;

/* Under the table's lock, and by the one mover there is. */
void tp_busy_mark(uintptr_t start, uintptr_t end);

/* The chunk is done; whoever waits goes on. */
void tp_busy_clear(void);

void tpi_busy_wait(uintptr_t start, uintptr_t end);

/* Returns when nothing of the range is being moved, for one whose range is in no table any more. */
static inline void tp_busy_settle(uintptr_t start, size_t size) {
    if (__builtin_expect(__atomic_load_n(&tp_busy.end, __ATOMIC_ACQUIRE) != 0, 0))
        tpi_busy_wait(start, start + size);
}

#endif
