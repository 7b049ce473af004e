/* memkind.c - see memkind.h. */
#include "memkind.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "pages.h"

#define TPI_LOWEST_FD 100 /* below: numbers that shells and scripts use for themselves */
#define TPI_HOG "MEMKIND_HOG_MEMORY"
#define TPI_ANY_FILE_BYTES ((size_t)1 << 62) /* its one file grows as it likes */

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

static const char *tpi_load(struct tpi_memkind *memkind, const char *folder) {
    void *library = dlopen("libmemkind.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) return "libmemkind.so.0 is not installed";
    tpi_create_pmem create = NULL;
    *(void **)&create = dlsym(library, "memkind_create_pmem");
    *(void **)&memkind->posix_memalign = dlsym(library, "memkind_posix_memalign");
    *(void **)&memkind->free = dlsym(library, "memkind_free");
    if (create == NULL || memkind->posix_memalign == NULL || memkind->free == NULL)
        return "libmemkind.so.0 lacks the functions of a file-backed kind";
    tpi_keep_from_ending(library);
    if (!tpi_file_size_allowed(TPI_ANY_FILE_BYTES)) return "the size of files is limited (ulimit -f)";
    if (!tpi_create(memkind, create, folder)) return "memkind cannot use the folder";
    memkind->usable = true;
    return NULL;
}

const char *tpi_memkind_open(struct tpi_memkind *memkind, const char *folder) {
    bool set_by_user = getenv(TPI_HOG) != NULL;
    if (!set_by_user) setenv(TPI_HOG, "1", 1);
    const char *why = tpi_load(memkind, folder);
    if (!set_by_user) unsetenv(TPI_HOG); /* children are not to find it */
    return why;
}

void *tpi_memkind_allocate(struct tpi_memkind *memkind, size_t size, size_t align) {
    struct stat file;
    if (!memkind->usable || !tpi_file_size_allowed(TPI_ANY_FILE_BYTES)) return NULL;
    if (fstat(memkind->fd, &file) != 0 || file.st_ino != memkind->inode || file.st_dev != memkind->device) {
        memkind->usable = false;
        return NULL;
    }
    void *memory = NULL;
    return memkind->posix_memalign(memkind->kind, &memory, align, size) == 0 ? memory : NULL;
}
