/* devices.c - reads /proc/thread-self/fd, and asks what is open there. */
#include "devices.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../common/rawio.h"
#include "folder.h"

/* Character devices whose drivers copy, and pin nothing for longer than a system call (Linux,
 * admin-guide/devices.txt). */
static bool tpi_copies(dev_t device) {
    switch (major(device)) {
    case 1:   /* null, zero, random */
    case 4:   /* terminals */
    case 5:   /* tty, console, ptmx */
    case 13:  /* input */
    case 116: /* sound */
        return true;
    case 10: /* tun, fuse, kvm */
        return minor(device) == 200 || minor(device) == 229 || minor(device) == 232;
    default: /* pseudo terminals */
        return major(device) >= 136 && major(device) <= 143;
    }
}

/* A pipe's O_DIRECT is another thing. */
static bool tpi_may_write(const char *name, const void *unused) {
    char *end;
    int fd = (int)strtol(name, &end, 10);
    struct stat about;
    if (end == name || fstat(fd, &about) != 0) return false;
    if (S_ISCHR(about.st_mode)) return !tpi_copies(about.st_rdev);
    if (!S_ISREG(about.st_mode) && !S_ISBLK(about.st_mode)) return false;
    long flags = syscall(SYS_fcntl, fd, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT) != 0;
}

bool tpi_devices_may_write(void) {
    bool complete;
    return tpi_folder_any("/proc/thread-self/fd", tpi_may_write, NULL, &complete) || !complete;
}
