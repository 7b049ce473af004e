/* private.c - copies into fresh pages and moves these over the old ones.
 *
 * A write of another thread to the same pages, between copy and move, would be lost: the callers' programs
 * are about to protect the pages, or to fork on them as a stack, and do not write to them meanwhile.
 */
#include "private.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "held.h"
#include "mappings.h"
#include "pages.h"

#define TPI_COPIER_STACK_BYTES ((size_t)64 << 10)

static bool tpi_replace(uintptr_t start, size_t size, int prot) {
    char *copy = tpi_pages_map(size, TPI_PAGE_BYTES);
    if (copy == NULL) return false;
    bool readable = (prot & PROT_READ) != 0 || tpi_mprotect((void *)start, size, PROT_READ) == 0;
    if (readable) tpi_pages_copy(copy, (const char *)start, size);
    bool done = readable && (prot == (PROT_READ | PROT_WRITE) || tpi_mprotect(copy, size, prot) == 0) &&
                tpi_mremap(copy, size, size, (void *)start) != MAP_FAILED;
    if (!done) tp_raw_munmap(copy, size);
    return done;
}

static bool tpi_make(uintptr_t start, size_t size) {
    struct tpi_mappings mappings;
    struct tpi_mapping mapping;
    if (!tpi_mappings_open(&mappings)) return false;
    bool all = true;
    while (tpi_mappings_next(&mappings, &mapping) && mapping.start < start + size) {
        uintptr_t from = mapping.start > start ? mapping.start : start;
        uintptr_t to = mapping.end < start + size ? mapping.end : start + size;
        if (mapping.shared && from < to) all &= tpi_replace(from, to - from, mapping.prot);
    }
    tpi_mappings_close(&mappings);
    return all;
}

/* Handed over in static memory: one thread at a time, which has its signals blocked. */
static struct {
    uintptr_t start;
    size_t size;
    bool done;
} tpi_order;

static void tpi_carry_out(void) {
    tpi_order.done = tpi_make(tpi_order.start, tpi_order.size);
}

/* While the copy is made nobody may run on what is copied: neither this thread nor a signal handler. */
static bool tpi_make_from_aside(uintptr_t start, size_t size) {
    ucontext_t here, aside;
    sigset_t all, before;
    void *stack = tpi_pages_map(TPI_COPIER_STACK_BYTES, TPI_PAGE_BYTES);
    if (stack == NULL) return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool possible = getcontext(&aside) == 0;
    if (possible) {
        tpi_order.start = start;
        tpi_order.size = size;
        tpi_order.done = false;
        aside.uc_stack.ss_sp = stack;
        aside.uc_stack.ss_size = TPI_COPIER_STACK_BYTES;
        aside.uc_link = &here;
        makecontext(&aside, tpi_carry_out, 0);
        possible = swapcontext(&here, &aside) == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    tp_raw_munmap(stack, TPI_COPIER_STACK_BYTES);
    return possible && tpi_order.done;
}

static tp_lock tpi_order_lock = TP_LOCK_INIT;

bool tpi_private_make(uintptr_t start, size_t size) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (here < start || here >= start + size) return tpi_make(start, size);
    tpi_hold_lock(&tpi_order_lock);
    bool done = tpi_make_from_aside(start, size);
    tpi_drop_lock(&tpi_order_lock);
    return done;
}

void tpi_private_fork_child(void) {
    tp_lock_renew(&tpi_order_lock);
}
