/* tier_pmem.c - file-backed memory in a folder: fsdax on PMEM, or tmpfs and disks for trials.
 *
 * Objects below 2 MiB come from a memkind file kind, larger ones (and all, where libmemkind is missing) from
 * mappings of our own in the same folder. Space is reserved before memory is handed out: a full folder must
 * mean "spill", never SIGBUS.
 */
#include "tier_pmem.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "addresses.h"
#include "held.h"
#include "memkind.h"
#include "pages.h"

#define TPI_PATH_BYTES 320

struct tpi_pmem {
    struct tpi_memkind memkind;
    tp_lock lock;               /* of `small` */
    struct tpi_addresses small; /* what memkind gave */
};

static struct tpi_pmem tpi_pmems[TP_MAX_TIERS];

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

static void *tpi_pmem_map(struct tpi_tier *tier, size_t size, size_t align) {
    int fd = tpi_file_size_allowed(size) ? tpi_open_nameless(tier->plan->folder) : -1;
    if (fd < 0) return NULL;
    void *pages = NULL;
    if (syscall(SYS_fallocate, fd, 0, (off_t)0, (off_t)size) == 0) pages = tpi_pages_reserve(size, align);
    if (pages != NULL &&
        tp_raw_mmap(pages, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        tp_raw_munmap(pages, size);
        pages = NULL;
    }
    tp_raw_close(fd);
    return pages;
}

static const char *tpi_pmem_open(struct tpi_tier *tier) {
    void *trial = tpi_pmem_map(tier, TPI_PAGE_BYTES, TPI_PAGE_BYTES);
    if (trial == NULL) return errno == ENOSPC ? "its folder is full" : "its folder cannot hold mapped files";
    tp_raw_munmap(trial, TPI_PAGE_BYTES);
    const char *why = tpi_memkind_open(&tpi_pmems[tier->index].memkind, tier->plan->folder);
    if (why != NULL)
        tpi_note(TP_NOTE_OTHER, tier->index, "tier %s: %s; tierprof's own mappings serve small objects too",
                 tier->plan->name, why);
    return NULL;
}

static void *tpi_small_allocate(struct tpi_tier *tier, size_t size, size_t align) {
    struct tpi_pmem *pmem = &tpi_pmems[tier->index];
    void *memory = tpi_memkind_allocate(&pmem->memkind, size, align);
    if (memory == NULL) return NULL;
    tpi_hold_lock(&pmem->lock);
    bool known = tpi_addresses_add(&pmem->small, (uintptr_t)memory);
    tpi_drop_lock(&pmem->lock);
    if (known) return memory;
    pmem->memkind.free(pmem->memkind.kind, memory);
    return NULL;
}

static bool tpi_small_owned(struct tpi_tier *tier, void *address) {
    struct tpi_pmem *pmem = &tpi_pmems[tier->index];
    tpi_hold_lock(&pmem->lock);
    bool owned = tpi_addresses_has(&pmem->small, (uintptr_t)address);
    tpi_drop_lock(&pmem->lock);
    return owned;
}

static void tpi_small_release(struct tpi_tier *tier, void *address) {
    struct tpi_pmem *pmem = &tpi_pmems[tier->index];
    tpi_hold_lock(&pmem->lock); /* forgotten first: memkind may give it to another thread at once */
    tpi_addresses_remove(&pmem->small, (uintptr_t)address);
    tpi_drop_lock(&pmem->lock);
    pmem->memkind.free(pmem->memkind.kind, address);
}

const struct tpi_backend tpi_backend_pmem = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_HUGE_BYTES,
    .open = tpi_pmem_open,
    .map = tpi_pmem_map,
    .small_allocate = tpi_small_allocate,
    .small_owned = tpi_small_owned,
    .small_release = tpi_small_release,
};

bool tpi_pmem_is_memkinds(const struct tpi_tier *tier, uint64_t device, uint64_t inode) {
    const struct tpi_memkind *memkind = &tpi_pmems[tier->index].memkind;
    return memkind->kind != NULL && memkind->device == device && memkind->inode == inode;
}

void tpi_pmem_lock(struct tpi_tier *tier) {
    tpi_hold_lock(&tpi_pmems[tier->index].lock);
}

void tpi_pmem_unlock(struct tpi_tier *tier) {
    tpi_drop_lock(&tpi_pmems[tier->index].lock);
}

void tpi_pmem_lock_renew(struct tpi_tier *tier) {
    tp_lock_renew(&tpi_pmems[tier->index].lock);
}

void tpi_pmem_stop_memkind(struct tpi_tier *tier) {
    tpi_pmems[tier->index].memkind.usable = false;
}
