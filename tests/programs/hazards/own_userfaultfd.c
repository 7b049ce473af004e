/* Hazard: a program that serves the faults of its own placed pages through userfaultfd. */
#include "hazard.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static int faults;

static void *serve(void *fd_address) {
    int fd = *(int *)fd_address;
    unsigned char *page = aligned_alloc(PAGE, PAGE);
    struct uffd_msg message;
    while (faults < 16 && read(fd, &message, sizeof message) == sizeof message) {
        uintptr_t at = message.arg.pagefault.address & ~(PAGE - 1);
        fill(page, PAGE, (unsigned)(at >> 12 & 15));
        struct uffdio_copy copy = {.dst = at, .src = (uintptr_t)page, .len = PAGE};
        faults += ioctl(fd, UFFDIO_COPY, &copy) == 0;
    }
    free(page);
    return NULL;
}

int main(void) {
    unsigned char *other = take(300 * KIB, 1);
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    struct uffdio_api api = {.api = UFFD_API};
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) != 0) skip("userfaultfd is not allowed here");
    unsigned char *pages = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *start = (unsigned char *)(((uintptr_t)pages + 16 * PAGE - 1) & ~(16 * PAGE - 1));
    madvise(pages, 32 * PAGE, MADV_NOHUGEPAGE);
    struct uffdio_register range = {.range = {(uintptr_t)start, 16 * PAGE},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    say("registered %d\n", ioctl(fd, UFFDIO_REGISTER, &range));
    pthread_t thread;
    pthread_create(&thread, NULL, serve, &fd);
    size_t good = 0;
    for (unsigned i = 0; i < 16; i++)
        good += intact(start + i * PAGE, PAGE, i);
    pthread_join(thread, NULL);
    say("faults %d good %zu other %zu\n", faults, good, intact(other, 300 * KIB, 1));
    munmap(pages, 32 * PAGE);
    free(other);
    return 0;
}
