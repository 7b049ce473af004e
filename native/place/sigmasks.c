/* sigmasks.c - reads /proc/self/task. */
#include "sigmasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/rawio.h"
#include "folder.h"

enum { TPI_STATUS_BYTES = 4096, TPI_PATH_BYTES = 64 };

static char tpi_status[TPI_STATUS_BYTES];

static bool tpi_blocks(const char *name, const void *bit) {
    char path[TPI_PATH_BYTES];
    long tid = strtol(name, NULL, 10);
    if (tid <= 0 || tid == syscall(SYS_gettid)) return false;
    snprintf(path, sizeof path, "/proc/self/task/%ld/status", tid);
    size_t got = tp_raw_read_file(path, tpi_status, sizeof tpi_status - 1);
    if (got == 0) return false; /* it has ended */
    tpi_status[got] = 0;
    const char *mask = strstr(tpi_status, "SigBlk:");
    return mask == NULL || (strtoull(mask + strlen("SigBlk:"), NULL, 16) & *(const uint64_t *)bit) != 0;
}

bool tpi_sigmasks_have(int number) {
    uint64_t bit = 1ull << (number - 1);
    bool complete;
    return tpi_folder_any("/proc/self/task", tpi_blocks, &bit, &complete) || !complete;
}
