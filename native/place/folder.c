/* folder.c - see folder.h. */
#include "folder.h"

#include "../common/rawio.h"

enum { TPI_ENTRIES_BYTES = 8192 };

/* What getdents64 writes. */
struct tpi_entry {
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

static _Alignas(struct tpi_entry) char tpi_entries[TPI_ENTRIES_BYTES];

bool tpi_folder_any(const char *path, tpi_folder_test *test, const void *argument, bool *complete) {
    int fd = tp_raw_open(path, O_RDONLY | O_DIRECTORY, 0);
    long got = -1;
    bool any = false;
    while (fd >= 0 && !any && (got = syscall(SYS_getdents64, fd, tpi_entries, sizeof tpi_entries)) > 0) {
        for (long at = 0; at < got && !any;) {
            const struct tpi_entry *entry = (const void *)(tpi_entries + at);
            at += entry->bytes;
            any = test(entry->name, argument);
        }
    }
    *complete = got >= 0;
    if (fd >= 0) tp_raw_close(fd);
    return any;
}
