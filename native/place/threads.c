/* threads.c - where each thread's robust list begins, which the C library keeps in the thread's descriptor at
 * the upper end of its stack; and /proc/self/task/TID/syscall of those that wait. */
#include "threads.h"

#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/rawio.h"
#include "folder.h"

enum { TPI_PATH_BYTES = 64, TPI_CALL_BYTES = 256, TPI_ARGUMENTS = 6 };

struct tpi_range {
    uintptr_t start, end;
    enum tp_stay *stay;
};

static bool tpi_inside(const struct tpi_range *range, uint64_t address) {
    return address >= range->start && address < range->end;
}

static bool tpi_has_descriptor_in(const struct tpi_range *range, long tid) {
    void *list = NULL;
    size_t bytes;
    return syscall(SYS_get_robust_list, tid, &list, &bytes) == 0 && tpi_inside(range, (uintptr_t)list);
}

static bool tpi_waits_for_shared(long number, const uint64_t *arguments) {
    unsigned command = (unsigned)arguments[1];
    return number == SYS_futex && (command & FUTEX_PRIVATE_FLAG) == 0;
}

/* "NUMBER 0xARGUMENT... 0xSP 0xPC", or one word if the thread runs. */
static enum tp_stay tpi_check_call(const struct tpi_range *range, const char *text) {
    uint64_t arguments[TPI_ARGUMENTS], stack;
    char *at;
    long number = strtol(text, &at, 10);
    if (at == text) return TP_STAY_NONE;
    for (int i = 0; i < TPI_ARGUMENTS && number >= 0; i++) /* -1: it waits, but for no system call */
        arguments[i] = strtoull(at, &at, 16);
    stack = strtoull(at, &at, 16);
    if (tpi_inside(range, stack)) return TP_STAY_STACK;
    if (number < 0 || !tpi_inside(range, arguments[0])) return TP_STAY_NONE;
    return tpi_waits_for_shared(number, arguments) ? TP_STAY_WAITED : TP_STAY_NONE;
}

static bool tpi_stands_on(const char *name, const void *argument) {
    const struct tpi_range *range = argument;
    char path[TPI_PATH_BYTES], text[TPI_CALL_BYTES];
    long tid = strtol(name, NULL, 10);
    if (tid <= 0) return false;
    if (tpi_has_descriptor_in(range, tid)) {
        *range->stay = TP_STAY_STACK;
        return true;
    }
    if (tid == syscall(SYS_gettid)) return false;
    snprintf(path, sizeof path, "/proc/self/task/%ld/syscall", tid);
    text[tp_raw_read_file(path, text, sizeof text - 1)] = 0;
    *range->stay = tpi_check_call(range, text);
    return *range->stay != TP_STAY_NONE;
}

enum tp_stay tpi_threads_stand_on(uintptr_t start, uintptr_t end) {
    enum tp_stay stay = TP_STAY_NONE;
    const struct tpi_range range = {start, end, &stay};
    bool complete;
    tpi_folder_any("/proc/self/task", tpi_stands_on, &range, &complete);
    return complete ? stay : TP_STAY_STACK;
}
