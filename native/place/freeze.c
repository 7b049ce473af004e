/* freeze.c - see freeze.h. */
#include "freeze.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "../shim/meta.h"
#include "../shim/process.h"
#include "devices.h"
#include "held.h"
#include "pages.h"
#include "signals.h"
#include "sigmasks.h"
#include "uffd.h"

enum { TPI_PATIENCE_NS = 5000000 };

static struct tpi_uffd tpi_uffd = {.fd = -1};
static bool tpi_asked; /* for userfaultfd, in this move */

/* What is frozen by mprotect. The generation is odd while it is. */
static struct {
    uintptr_t start, end;
    uint32_t generation;
} tpi_frozen;

/* The generation in which this thread last tried a write again that had failed. */
static __thread uint32_t tpi_tried;

/* A child that was made without fork's handlers while a range was frozen: nobody will end that there. */
static bool tpi_thaw_orphan(void) {
    if (!tp_process_is_orphan()) return false;
    tpi_mprotect((void *)tpi_frozen.start, tpi_frozen.end - tpi_frozen.start, PROT_READ | PROT_WRITE);
    __atomic_add_fetch(&tpi_frozen.generation, 1, __ATOMIC_RELEASE);
    return true;
}

/* The claimant of SIGSEGV. A fault may be told of long after it was taken, when its range is frozen no more:
 * so every write that fails is tried again once in each generation, and is the program's own affair if it
 * fails a second time. */
static bool tpi_on_fault(siginfo_t *info, ucontext_t *context) {
    uint32_t generation = __atomic_load_n(&tpi_frozen.generation, __ATOMIC_ACQUIRE);
    uintptr_t address = (uintptr_t)info->si_addr;
    if (generation == 0 || info->si_code != SEGV_ACCERR) return false;
    if (generation % 2 == 1 && address >= tpi_frozen.start && address < tpi_frozen.end) {
        int saved_errno = errno;
        if (!tpi_thaw_orphan())
            syscall(SYS_futex, &tpi_frozen.generation, FUTEX_WAIT_PRIVATE, generation, NULL, NULL, 0);
        errno = saved_errno;
        return true;
    }
    if (tpi_tried == generation) return false;
    tpi_tried = generation;
    return true;
}

#ifdef TP_CHECKS
/* The tests' negative control: what is lost if nothing is frozen. */
static bool tpi_unprotected(void) {
    const char *text = getenv("TIERPROF_TEST_NO_FREEZE");
    return text != NULL && text[0] == '1';
}
#else
static bool tpi_unprotected(void) {
    return false;
}
#endif

static void tpi_tell_unsafe(const char *why) {
    tp_guard guard = tpi_held();
    tp_meta_note(&guard, TP_NOTE_MOVE_UNSAFE, 0, why);
}

static void tpi_open(void) {
    if (tpi_asked) return;
    tpi_asked = true;
    tpi_uffd = tpi_uffd_open();
    if (tpi_uffd.fd >= 0 && tpi_uffd.user_only)
        tpi_tell_unsafe("system calls that write into what is being moved fail meanwhile, because "
                        "vm.unprivileged_userfaultfd is 0");
}

void tpi_freezer_close(void) {
    tpi_uffd_close(&tpi_uffd);
    tpi_asked = false;
}

static void tpi_end_protection(void) {
    __atomic_add_fetch(&tpi_frozen.generation, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &tpi_frozen.generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* A thread blocks SIGSEGV for a moment when it comes out of the handler above, starts, or forks. */
static bool tpi_signal_is_free(void) {
    uint64_t until_ns = tp_now_ns() + TPI_PATIENCE_NS;
    if (!tpi_signal_claim(SIGSEGV, tpi_on_fault)) return false;
    while (tpi_sigmasks_have(SIGSEGV)) {
        if (tp_now_ns() > until_ns) return false;
        syscall(SYS_sched_yield);
    }
    return true;
}

static enum tp_stay tpi_protect(const struct tpi_freeze *freeze, int *error) {
    if (!tpi_signal_is_free()) return TP_STAY_SIGNALS;
    tpi_tell_unsafe("system calls that write into what is being moved fail meanwhile: userfaultfd does not "
                    "protect such memory here");
    tpi_frozen.start = (uintptr_t)freeze->start;
    tpi_frozen.end = tpi_frozen.start + freeze->size;
    __atomic_add_fetch(&tpi_frozen.generation, 1, __ATOMIC_RELEASE);
    if (tpi_mprotect(freeze->start, freeze->size, PROT_READ) == 0) return TP_STAY_NONE;
    *error = errno;
    tpi_end_protection();
    return TP_STAY_FAILED;
}

static enum tp_stay tpi_keep_out(struct tpi_freeze *freeze, int *error) {
    if (tpi_unprotected()) return TP_STAY_NONE;
    tpi_open();
    int refused = tpi_uffd_protect(&tpi_uffd, freeze->start, freeze->size);
    freeze->by_uffd = refused == 0;
    if (refused == EBUSY) return TP_STAY_PROTECTED; /* the program serves its faults itself */
    return refused == 0 ? TP_STAY_NONE : tpi_protect(freeze, error);
}

/* Devices write past all protection. Asked when nobody can begin a read into the range any more: what is on
 * its way by now has its descriptor open. */
enum tp_stay tpi_freeze_begin(struct tpi_freeze *freeze, char *start, size_t size, int *error) {
    *freeze = (struct tpi_freeze){.start = start, .size = size, .begun_ns = tp_now_ns()};
    enum tp_stay stay = tpi_keep_out(freeze, error);
    if (stay != TP_STAY_NONE || !tpi_devices_may_write()) return stay;
    tpi_freeze_end(freeze, false);
    return TP_STAY_LOCKED;
}

bool tpi_freeze_holds(const struct tpi_freeze *freeze) {
    return !freeze->by_uffd || tpi_uffd_holds(&tpi_uffd, freeze->start, freeze->size);
}

uint64_t tpi_freeze_end(struct tpi_freeze *freeze, bool replaced) {
    if (freeze->by_uffd && replaced)
        tpi_uffd_wake(&tpi_uffd, freeze->start, freeze->size);
    else if (freeze->by_uffd)
        tpi_uffd_unprotect(&tpi_uffd, freeze->start, freeze->size);
    else if (!tpi_unprotected()) {
        if (!replaced) tpi_mprotect(freeze->start, freeze->size, PROT_READ | PROT_WRITE);
        tpi_end_protection();
    }
    return tp_now_ns() - freeze->begun_ns;
}
