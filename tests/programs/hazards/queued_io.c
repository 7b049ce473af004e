/* Hazard: memory is handed to the kernel and used by it later: Linux aio, POSIX aio, io_uring. */
#include "hazard.h"

#include <aio.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static void by_kernel_aio(int fd, unsigned char *memory) {
    aio_context_t context = 0;
    struct iocb block = {.aio_lio_opcode = IOCB_CMD_PREAD,
                         .aio_fildes = (unsigned)fd,
                         .aio_buf = (uintptr_t)memory,
                         .aio_nbytes = 200 * KIB};
    struct iocb *blocks[] = {&block};
    struct io_event event;
    if (syscall(SYS_io_setup, 4, &context) != 0) return;
    syscall(SYS_io_submit, context, 1l, blocks);
    if (syscall(SYS_io_getevents, context, 1l, 1l, &event, NULL) == 1 && event.res != 200 * 1024)
        say("short\n");
    syscall(SYS_io_destroy, context);
}

static void by_posix_aio(int fd, unsigned char *memory) {
    struct aiocb block = {.aio_fildes = fd, .aio_buf = memory, .aio_nbytes = 200 * KIB};
    const struct aiocb *blocks[] = {&block};
    aio_read(&block);
    while (aio_error(&block) == EINPROGRESS)
        aio_suspend(blocks, 1, NULL);
    aio_return(&block);
}

/* One read through a ring, without a library. False: the kernel has no rings for us. */
static int by_ring(int fd, unsigned char *memory) {
    struct io_uring_params with = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 4, &with);
    if (ring < 0) return 0;
    size_t bytes = with.sq_off.array + with.sq_entries * sizeof(unsigned);
    char *queue = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    *entry = (struct io_uring_sqe){
        .opcode = IORING_OP_READ, .fd = fd, .addr = (uintptr_t)memory, .len = 200 * KIB};
    ((unsigned *)(void *)(queue + with.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(void *)(queue + with.sq_off.tail), 1, __ATOMIC_RELEASE);
    syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    munmap(queue, bytes);
    munmap(entry, PAGE);
    close(ring);
    return 1;
}

int main(void) {
    unsigned char *from = take(200 * KIB, 1), *to = calloc(200, KIB);
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (write(fd, from, 200 * KIB) != 200 * 1024) return 1;
    by_kernel_aio(fd, to);
    say("kernel %zu\n", intact(to, 200 * KIB, 1));
    memset(to, 0, 200 * KIB);
    by_posix_aio(fd, to);
    say("posix %zu\n", intact(to, 200 * KIB, 1));
    memset(to, 0, 200 * KIB);
    if (by_ring(fd, to)) say("ring %zu\n", intact(to, 200 * KIB, 1));
    free(from);
    free(to);
    return 0;
}
