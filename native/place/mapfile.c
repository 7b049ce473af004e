/* mapfile.c - see mapfile.h. */
#include "mapfile.h"

#include "../common/rawio.h"

const void *tpi_mapfile(const char *path, size_t *size) {
    int fd = tp_raw_open(path, O_RDONLY, 0);
    if (fd < 0) return NULL;
    off_t end = (off_t)syscall(SYS_lseek, fd, 0, SEEK_END);
    void *mapped = MAP_FAILED;
    if (end > 0) mapped = tp_raw_mmap(NULL, (size_t)end, PROT_READ, MAP_PRIVATE, fd, 0);
    tp_raw_close(fd);
    *size = end > 0 ? (size_t)end : 0;
    return mapped == MAP_FAILED ? NULL : mapped;
}
