/* uffd.c - see uffd.h. Events are never read: a fault that waits is woken by its address. */
#include "uffd.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "pages.h"

#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM /* Linux 5.19 */
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED /* Linux 6.4 */
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef USERFAULTFD_IOC_NEW /* Linux 6.1 */
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#ifndef UFFD_USER_MODE_ONLY /* Linux 5.11 */
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ 22
#endif

static const unsigned long long tpi_wanted =
    UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED;

/* A privilege, a sysctl or the rights on the device file give the kernel's faults, too. */
static int tpi_descriptor(bool *user_only) {
    *user_only = false;
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) return fd;
    int device = tp_raw_open("/dev/userfaultfd", O_RDWR, 0);
    if (device >= 0) {
        fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
        tp_raw_close(device);
        if (fd >= 0) return fd;
    }
    *user_only = true;
    return (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
}

/* A descriptor that was asked for what the kernel has not got is of no use any more: so ask first. */
static unsigned long long tpi_features(void) {
    static unsigned long long known; /* 0: not asked yet; the lowest bit is always among them otherwise */
    unsigned long long features = __atomic_load_n(&known, __ATOMIC_RELAXED);
    bool user_only;
    int fd = features == 0 ? tpi_descriptor(&user_only) : -1;
    if (fd < 0) return features;
    struct uffdio_api api = {.api = UFFD_API};
    if (ioctl(fd, UFFDIO_API, &api) == 0) features = api.features;
    tp_raw_close(fd);
    __atomic_store_n(&known, features, __ATOMIC_RELAXED);
    return features;
}

struct tpi_uffd tpi_uffd_open(void) {
    struct tpi_uffd uffd = {.fd = -1};
    struct uffdio_api api = {.api = UFFD_API, .features = tpi_features() & tpi_wanted};
    if ((api.features & UFFD_FEATURE_PAGEFAULT_FLAG_WP) == 0) return uffd;
    uffd.unpopulated = (api.features & UFFD_FEATURE_WP_UNPOPULATED) != 0;
    uffd.fd = tpi_descriptor(&uffd.user_only);
    if (uffd.fd >= 0 && ioctl(uffd.fd, UFFDIO_API, &api) != 0) tpi_uffd_close(&uffd);
    return uffd;
}

/* A program may have closed the descriptor, and have another file there now: that is not ours to close. */
void tpi_uffd_close(struct tpi_uffd *uffd) {
    struct uffdio_range nobody = {(uintptr_t)uffd & ~(TPI_PAGE_BYTES - 1), TPI_PAGE_BYTES};
    if (uffd->fd >= 0 && ioctl(uffd->fd, UFFDIO_WAKE, &nobody) == 0) tp_raw_close(uffd->fd);
    uffd->fd = -1;
}

static bool tpi_write_protect(const struct tpi_uffd *uffd, void *start, size_t size,
                              unsigned long long mode) {
    struct uffdio_writeprotect protect = {.range = {(uintptr_t)start, size}, .mode = mode};
    int status;
    do
        status = ioctl(uffd->fd, UFFDIO_WRITEPROTECT, &protect);
    while (status != 0 && errno == EAGAIN);
    return status == 0;
}

int tpi_uffd_protect(const struct tpi_uffd *uffd, void *start, size_t size) {
    struct uffdio_register wanted = {.range = {(uintptr_t)start, size}, .mode = UFFDIO_REGISTER_MODE_WP};
    if (uffd->fd < 0) return ENOSYS;
    if (ioctl(uffd->fd, UFFDIO_REGISTER, &wanted) != 0) return errno == EBUSY ? EBUSY : EINVAL;
    bool there = uffd->unpopulated || tpi_madvise(start, size, MADV_POPULATE_READ) == 0;
    if (there && tpi_write_protect(uffd, start, size, UFFDIO_WRITEPROTECT_MODE_WP)) return 0;
    tpi_uffd_unprotect(uffd, start, size);
    return EINVAL;
}

/* To protect it once more fails if it is not registered any more. */
bool tpi_uffd_holds(const struct tpi_uffd *uffd, void *start, size_t size) {
    return tpi_write_protect(uffd, start, size, UFFDIO_WRITEPROTECT_MODE_WP);
}

void tpi_uffd_unprotect(const struct tpi_uffd *uffd, void *start, size_t size) {
    struct uffdio_range range = {(uintptr_t)start, size};
    tpi_write_protect(uffd, start, size, 0);
    ioctl(uffd->fd, UFFDIO_UNREGISTER, &range);
    tpi_uffd_wake(uffd, start, size);
}

void tpi_uffd_wake(const struct tpi_uffd *uffd, void *start, size_t size) {
    struct uffdio_range range = {(uintptr_t)start, size};
    ioctl(uffd->fd, UFFDIO_WAKE, &range);
}
