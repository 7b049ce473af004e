/* tier_pmem.c - file-backed memory in a folder: fsdax on PMEM, or tmpfs and disks for trials.
 *
 * Objects below 2 MiB come from a memkind file kind, larger ones (and all, where libmemkind is missing) from
 * mappings of our own in the same folder. Space is reserved before memory is handed out: a full folder must
 * mean "spill", never SIGBUS.
 */
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "held.h"
#include "memkind.h"
#include "pages.h"

#define TPI_PATH_BYTES 320

/* A file without a name. Where the file system has no O_TMPFILE: one that loses its name at once. */
static int tpi_open_nameless(const char *folder) {
    int fd = tp_raw_open(folder, O_TMPFILE | O_RDWR, 0600);
    static uint32_t serial;
    for (int tries = 0; fd < 0 && tries < 100 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EEXIST);
         tries++) {
        char path[TPI_PATH_BYTES];
        snprintf(path, sizeof path, "%s/.tierprof.%d.%u", folder, (int)syscall(SYS_getpid),
                 __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED));
        fd = tp_raw_open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
        if (fd >= 0) syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    }
    return fd;
}

/* Is it worth asking? What there is no room for would take all the room there is before it fails, and others
 * would find the file system full meanwhile. Blocks that are kept for some users count: this may be one. */
static bool tpi_may_have_room(int fd, size_t size) {
    struct statfs about;
    if (syscall(SYS_fstatfs, fd, &about) != 0 || about.f_blocks == 0) return true; /* or it has no bounds */
    return size / (size_t)about.f_bsize <= about.f_bfree;
}

/* A nameless file with blocks behind every byte; -1: the folder has no room for it, or is gone. */
static int tpi_file_of(const struct tpi_tier *tier, size_t size) {
    errno = ENOMEM;
    if (!tpi_data_size_allowed(tier->live_bytes)) return -1;
    errno = EFBIG;
    if (!tpi_file_size_allowed(size)) return -1;
    int fd = tpi_open_nameless(tier->plan->folder);
    if (fd < 0) return -1;
    int error = tpi_may_have_room(fd, size) ? tp_raw_extend(fd, 0, size) : ENOSPC;
    if (error == 0) return fd;
    tp_raw_close(fd);
    errno = error;
    return -1;
}

static bool tpi_map_file_at(const struct tpi_tier *tier, void *address, size_t size) {
    int fd = tpi_file_of(tier, size);
    if (fd < 0) return false;
    bool mapped =
        tp_raw_mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
    tp_raw_close(fd);
    return mapped;
}

static void *tpi_pmem_map(struct tpi_tier *tier, size_t size, size_t align) {
    void *pages = tpi_pages_reserve(size, align);
    if (pages == NULL || tpi_map_file_at(tier, pages, size)) return pages;
    tp_raw_munmap(pages, size);
    return NULL;
}

static const char *tpi_pmem_open(struct tpi_tier *tier) {
    errno = 0;
    void *trial = tpi_pmem_map(tier, TPI_PAGE_BYTES, TPI_PAGE_BYTES);
    if (trial == NULL) return errno == ENOSPC ? "its folder is full" : "its folder cannot hold mapped files";
    tp_raw_munmap(trial, TPI_PAGE_BYTES);
    const char *why = tpi_memkind_open_file(tier);
    if (why != NULL)
        tpi_note(TP_NOTE_OTHER, tier->index, "tier %s: %s; tierprof's own mappings serve small objects too",
                 tier->plan->name, why);
    return NULL;
}

/* A file and a mapping each, of which a process may have 65530: small ones, and more than that leaves room
 * for, stay where they are. */
#define TPI_ADOPTED_LEAST_BYTES ((size_t)64 << 10)
#define TPI_ADOPTED_LIMIT 16384u

static uint32_t tpi_adopted; /* in all tiers; a mapping that ends in parts is counted out with the first */

static bool tpi_pmem_adopt(struct tpi_tier *tier, void *address, size_t size) {
    if (size < TPI_ADOPTED_LEAST_BYTES) return false;
    if (__atomic_load_n(&tpi_adopted, __ATOMIC_RELAXED) >= TPI_ADOPTED_LIMIT) return false;
    if (tpi_map_file_at(tier, address, size)) {
        __atomic_fetch_add(&tpi_adopted, 1, __ATOMIC_RELAXED);
        return true;
    }
    /* A mapping that fails may have removed what was there. */
    tp_raw_mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return false;
}

static void tpi_pmem_disown(struct tpi_tier *tier) {
    uint32_t adopted = __atomic_load_n(&tpi_adopted, __ATOMIC_RELAXED);
    while (adopted > 0 && !__atomic_compare_exchange_n(&tpi_adopted, &adopted, adopted - 1, true,
                                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

const struct tpi_backend tpi_backend_pmem = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_HUGE_BYTES,
    .memory = TPI_MEMORY_SHARED,
    .open = tpi_pmem_open,
    .map = tpi_pmem_map,
    .adopt = tpi_pmem_adopt,
    .disown = tpi_pmem_disown,
    .library = true,
};
