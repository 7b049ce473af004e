/* readable.h - whether memory that another party keeps can be read without a fault: the kernel is asked once
 * for each page, and each thread remembers the answers. What is unmapped through the hooks voids them all.
 */
#ifndef TP_READABLE_H
#define TP_READABLE_H

#include <stddef.h>

#include "thread.h"

#define TPI_READABLE_BITS 11
#define TPI_READABLE_PAGE_SHIFT 12

struct tp_readable {
    uint32_t generation, tid;
    uintptr_t pages[1u << TPI_READABLE_BITS][2]; /* numbers of pages; 0: free */
};

extern uint32_t tp_readable_generation;

/* What the thread remembers; NULL without memory. */
struct tp_readable *tp_readable_get(struct tp_thread *self);

/* Asks the kernel. */
bool tp_readable_ask(struct tp_readable *known, uintptr_t page);

/* [address, address + bytes), of two pages at most. */
static inline bool tp_readable(struct tp_readable *known, uintptr_t address, size_t bytes) {
    for (uintptr_t page = address >> TPI_READABLE_PAGE_SHIFT;
         page <= (address + bytes - 1) >> TPI_READABLE_PAGE_SHIFT; page++) {
        const uintptr_t *pair = known->pages[page * 0x9e3779b97f4a7c15ull >> (64 - TPI_READABLE_BITS)];
        if (__builtin_expect((pair[0] != page && pair[1] != page) || page == 0, 0) &&
            !tp_readable_ask(known, page))
            return false;
    }
    return true;
}

/* [start, start + bytes) will be unmapped: the thread's own answers of it are void, and all of the others',
 * if any is of a page there. */
void tp_readable_forget(struct tp_thread *self, uintptr_t start, size_t bytes);

void tp_readable_thread_end(struct tp_thread *self);

#endif
