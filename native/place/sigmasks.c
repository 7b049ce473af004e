/* sigmasks.c - reads /proc/self/task, without opendir, which allocates. */
#include "sigmasks.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "../common/rawio.h"

enum { TPI_ENTRIES_BYTES = 8192, TPI_STATUS_BYTES = 4096, TPI_PATH_BYTES = 64 };

/* What getdents64 writes. */
struct tpi_entry {
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

static _Alignas(struct tpi_entry) char tpi_entries[TPI_ENTRIES_BYTES];
static char tpi_status[TPI_STATUS_BYTES];

static bool tpi_thread_blocks(const char *tid, uint64_t bit) {
    char path[TPI_PATH_BYTES] = "/proc/self/task/";
    size_t used = strlen(path), length = strlen(tid);
    if (used + length + sizeof "/status" > sizeof path) return true;
    memcpy(path + used, tid, length);
    memcpy(path + used + length, "/status", sizeof "/status");
    size_t got = tp_raw_read_file(path, tpi_status, sizeof tpi_status - 1);
    if (got == 0) return false; /* it has ended */
    tpi_status[got] = 0;
    const char *mask = strstr(tpi_status, "SigBlk:");
    return mask == NULL || (strtoull(mask + strlen("SigBlk:"), NULL, 16) & bit) != 0;
}

bool tpi_sigmasks_have(int number) {
    uint64_t bit = 1ull << (number - 1);
    long self = syscall(SYS_gettid), got = -1;
    int fd = tp_raw_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    bool blocked = fd < 0;
    while (!blocked && (got = syscall(SYS_getdents64, fd, tpi_entries, sizeof tpi_entries)) > 0) {
        for (long at = 0; at < got && !blocked;) {
            const struct tpi_entry *entry = (const void *)(tpi_entries + at);
            at += entry->bytes;
            long tid = strtol(entry->name, NULL, 10);
            blocked = tid > 0 && tid != self && tpi_thread_blocks(entry->name, bit);
        }
    }
    if (fd >= 0) tp_raw_close(fd);
    return blocked || got < 0;
}
