/* memkind.c - see memkind.h. One kind a tier, of either family; both are used in the same way. */
#include "memkind.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "addresses.h"
#include "held.h"
#include "pages.h"

#define TPI_LOWEST_FD 100 /* below: numbers that shells and scripts use for themselves */
#define TPI_HOG "MEMKIND_HOG_MEMORY"
#define TPI_LOOK_BYTES ((int64_t)4 << 20)    /* between two looks at what the nodes have left */
#define TPI_ANY_FILE_BYTES ((size_t)1 << 62) /* its one file grows as it likes */

struct tpi_memkind {
    int (*posix_memalign)(void *kind, void **memory, size_t align, size_t size);
    void (*free)(void *kind, void *memory);
    void *kind;                                          /* NULL: none serves the tier */
    uint64_t (*room_bytes)(const struct tpi_tier *tier); /* NULL: of no node */
    int64_t until_look;                                  /* bytes to be asked for before the next look */
    struct tpi_addresses given;                          /* what the kind gave, and has not got back */
    dev_t device;                                        /* of its file */
    ino_t inode;
    int fd;       /* memkind's, of the file */
    tp_lock lock; /* of `given` */
    bool usable;  /* may still allocate; freeing is possible in any case */
    bool full;    /* as the last look said */
    bool file;    /* file-backed */
};

static struct tpi_memkind tpi_memkinds[TP_MAX_TIERS];

static const char *const tpi_kmem_kinds[] = {
    [TP_KMEM_NEAREST] = "MEMKIND_DAX_KMEM",
    [TP_KMEM_ALL] = "MEMKIND_DAX_KMEM_ALL",
    [TP_KMEM_PREFERRED] = "MEMKIND_DAX_KMEM_PREFERRED",
};

typedef int (*tpi_create_pmem)(const char *folder, size_t limit, void **kind);

/* Occupies the descriptors below TPI_LOWEST_FD; the number of those to be closed again. */
static int tpi_occupy_low_fds(int fds[TPI_LOWEST_FD]) {
    int n_fds = 0;
    int fd = tp_raw_open("/dev/null", O_RDONLY, 0);
    while (fd >= 0 && n_fds < TPI_LOWEST_FD) {
        fds[n_fds++] = fd;
        if (fd >= TPI_LOWEST_FD) break;
        fd = (int)syscall(SYS_fcntl, fds[0], F_DUPFD_CLOEXEC, 0);
    }
    /* The last one shows the number that memkind will get; a low limit of descriptors has to leave it some.
     */
    if (fd < 0)
        for (int spare = 0; spare < 8 && n_fds > 0; spare++)
            tp_raw_close(fds[--n_fds]);
    return n_fds;
}

static int tpi_next_fd(void) {
    int fd = tp_raw_open("/dev/null", O_RDONLY, 0);
    if (fd >= 0) tp_raw_close(fd);
    return fd;
}

static bool tpi_is_its_file(int fd, dev_t folder_device, struct stat *file) {
    return fd >= 0 && fstat(fd, file) == 0 && S_ISREG(file->st_mode) && file->st_nlink == 0 &&
           file->st_dev == folder_device;
}

static bool tpi_create(struct tpi_memkind *memkind, tpi_create_pmem create, const char *folder) {
    int low[TPI_LOWEST_FD];
    int n_low = tpi_occupy_low_fds(low);
    memkind->fd = tpi_next_fd();
    bool created = create(folder, 0, &memkind->kind) == 0;
    for (int i = 0; i < n_low; i++)
        tp_raw_close(low[i]);
    struct stat place, file;
    if (!created || stat(folder, &place) != 0 || !tpi_is_its_file(memkind->fd, place.st_dev, &file))
        return false;
    memkind->device = file.st_dev;
    memkind->inode = file.st_ino;
    /* Keeps the inode, whose number could be given to another file once memkind's is closed. */
    tp_raw_mmap(NULL, TPI_PAGE_BYTES, PROT_NONE, MAP_SHARED, memkind->fd, 0);
    int flags = (int)syscall(SYS_fcntl, memkind->fd, F_GETFD);
    syscall(SYS_fcntl, memkind->fd, F_SETFD, flags | FD_CLOEXEC);
    return true;
}

static void tpi_nothing(void) {}

/* Puts an empty function in the place of each of the library's destructors. */
static void tpi_keep_from_ending(void *library) {
    struct link_map *map = NULL;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return;
    uintptr_t array = 0;
    size_t bytes = 0;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_FINI_ARRAY) array = map->l_addr + entry->d_un.d_ptr;
        if (entry->d_tag == DT_FINI_ARRAYSZ) bytes = entry->d_un.d_val;
    }
    uintptr_t first = array & ~(TPI_PAGE_BYTES - 1);
    size_t span = tpi_round_up(array + bytes - first, TPI_PAGE_BYTES);
    if (array == 0 || bytes == 0 || tpi_mprotect((void *)first, span, PROT_READ | PROT_WRITE) != 0) return;
    for (size_t i = 0; i < bytes / sizeof(void (*)(void)); i++)
        ((void (**)(void))array)[i] = tpi_nothing;
    tpi_mprotect((void *)first, span, PROT_READ); /* as RELRO had left it */
}

/* The library, its destructors gone, and what all kinds need of it; NULL, and *why. */
static void *tpi_load(struct tpi_memkind *memkind, const char **why) {
    void *library = dlopen("libmemkind.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    *why = "libmemkind.so.0 is not installed";
    if (library == NULL) return NULL;
    tpi_keep_from_ending(library);
    *(void **)&memkind->posix_memalign = dlsym(library, "memkind_posix_memalign");
    *(void **)&memkind->free = dlsym(library, "memkind_free");
    *why = "libmemkind.so.0 lacks the functions that are needed";
    return memkind->posix_memalign != NULL && memkind->free != NULL ? library : NULL;
}

/* Runs one of the two below with memkind's setting in the environment, where children are not to find it. */
static const char *tpi_open(struct tpi_tier *tier,
                            const char *(*with)(struct tpi_tier *, struct tpi_memkind *, void *library)) {
    struct tpi_memkind *memkind = &tpi_memkinds[tier->index];
    const char *why = NULL;
    bool set_by_user = getenv(TPI_HOG) != NULL;
    if (!set_by_user) setenv(TPI_HOG, "1", 1);
    void *library = tpi_load(memkind, &why);
    if (library != NULL) why = with(tier, memkind, library);
    if (!set_by_user) unsetenv(TPI_HOG);
    memkind->usable = why == NULL;
    if (why != NULL) memkind->kind = NULL;
    return why;
}

static const char *tpi_with_file(struct tpi_tier *tier, struct tpi_memkind *memkind, void *library) {
    tpi_create_pmem create = NULL;
    *(void **)&create = dlsym(library, "memkind_create_pmem");
    if (create == NULL) return "libmemkind.so.0 lacks the functions of a file-backed kind";
    if (!tpi_file_size_allowed(TPI_ANY_FILE_BYTES)) return "the size of files is limited (ulimit -f)";
    memkind->file = true;
    return tpi_create(memkind, create, tier->plan->folder) ? NULL : "memkind cannot use the folder";
}

static const char *tpi_with_kmem(struct tpi_tier *tier, struct tpi_memkind *memkind, void *library) {
    int (*check)(void *kind) = NULL;
    *(void **)&check = dlsym(library, "memkind_check_available");
    void **kind = dlsym(library, tpi_kmem_kinds[tier->plan->number]);
    if (check == NULL || kind == NULL) return "libmemkind.so.0 has no DAX_KMEM kinds";
    if (check(*kind) != 0) return "memkind has not got this DAX_KMEM kind here";
    memkind->kind = *kind;
    return NULL;
}

/* Have the nodes room for what will be asked for until the next look? */
static bool tpi_nodes_are_well(struct tpi_tier *tier, struct tpi_memkind *memkind, size_t size) {
    if (memkind->room_bytes == NULL) return true;
    if (__atomic_sub_fetch(&memkind->until_look, (int64_t)size, __ATOMIC_RELAXED) < 0) {
        __atomic_store_n(&memkind->until_look, TPI_LOOK_BYTES, __ATOMIC_RELAXED);
        bool full = memkind->room_bytes(tier) < (uint64_t)TPI_LOOK_BYTES + size;
        __atomic_store_n(&memkind->full, full, __ATOMIC_RELAXED);
    }
    return !__atomic_load_n(&memkind->full, __ATOMIC_RELAXED);
}

const char *tpi_memkind_open_file(struct tpi_tier *tier) {
    return tpi_open(tier, tpi_with_file);
}

const char *tpi_memkind_open_kmem(struct tpi_tier *tier,
                                  uint64_t (*room_bytes)(const struct tpi_tier *tier)) {
    tpi_memkinds[tier->index].room_bytes = room_bytes;
    return tpi_open(tier, tpi_with_kmem);
}

/* May memkind make its file larger? */
static bool tpi_file_is_well(const struct tpi_tier *tier, struct tpi_memkind *memkind) {
    struct stat file;
    if (!tpi_file_size_allowed(TPI_ANY_FILE_BYTES) || !tpi_data_size_allowed(tier->live_bytes)) return false;
    if (fstat(memkind->fd, &file) == 0 && file.st_ino == memkind->inode && file.st_dev == memkind->device)
        return true;
    memkind->usable = false;
    return false;
}

void *tpi_memkind_allocate(struct tpi_tier *tier, size_t size, size_t align) {
    struct tpi_memkind *memkind = &tpi_memkinds[tier->index];
    void *memory = NULL;
    if (!memkind->usable || (memkind->file && !tpi_file_is_well(tier, memkind))) return NULL;
    if (!tpi_nodes_are_well(tier, memkind, size)) return NULL;
    if (memkind->posix_memalign(memkind->kind, &memory, align, size) != 0 || memory == NULL) return NULL;
    tpi_hold_lock(&memkind->lock);
    bool aligned = ((uintptr_t)memory & (align - 1)) == 0;
    bool known = aligned && tpi_addresses_add(&memkind->given, (uintptr_t)memory);
    tpi_drop_lock(&memkind->lock);
    if (known) return memory;
    memkind->free(memkind->kind, memory);
    return NULL;
}

bool tpi_memkind_owns(struct tpi_tier *tier, void *address) {
    struct tpi_memkind *memkind = &tpi_memkinds[tier->index];
    if (memkind->kind == NULL) return false;
    tpi_hold_lock(&memkind->lock);
    bool owned = tpi_addresses_has(&memkind->given, (uintptr_t)address);
    tpi_drop_lock(&memkind->lock);
    return owned;
}

void tpi_memkind_forget(struct tpi_tier *tier, void *address) {
    struct tpi_memkind *memkind = &tpi_memkinds[tier->index];
    tpi_hold_lock(&memkind->lock);
    tpi_addresses_remove(&memkind->given, (uintptr_t)address);
    tpi_drop_lock(&memkind->lock);
}

void tpi_memkind_release(struct tpi_tier *tier, void *address) {
    struct tpi_memkind *memkind = &tpi_memkinds[tier->index];
    tpi_memkind_forget(tier, address); /* first: memkind may give it to another thread at once */
    memkind->free(memkind->kind, address);
}

bool tpi_memkind_is_file(const struct tpi_tier *tier, uint64_t device, uint64_t inode) {
    const struct tpi_memkind *memkind = &tpi_memkinds[tier->index];
    return memkind->kind != NULL && memkind->file && memkind->device == device && memkind->inode == inode;
}

void tpi_memkind_lock(struct tpi_tier *tier) {
    tpi_hold_lock(&tpi_memkinds[tier->index].lock);
}

void tpi_memkind_unlock(struct tpi_tier *tier) {
    tpi_drop_lock(&tpi_memkinds[tier->index].lock);
}

void tpi_memkind_lock_renew(struct tpi_tier *tier) {
    tp_lock_renew(&tpi_memkinds[tier->index].lock);
}

void tpi_memkind_stop(struct tpi_tier *tier) {
    if (tpi_memkinds[tier->index].file) tpi_memkinds[tier->index].usable = false;
}
