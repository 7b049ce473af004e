/* keep.c - a chain of references that no descriptor is part of: a process's asynchronous I/O context holds a
 * poll that never completes, that holds a socket, and in the socket's queue waits a message to itself with
 * the event. The kernel undoes all of it when the process ends or execs; a forked child gets none of it. */
#include "keep.h"

#include <linux/aio_abi.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../common/rawio.h"
#include "pages.h"

#define TPI_LOWEST_FD 100

/* Start of the kernel's ring of completed requests, at the context's address. */
struct tpi_ring {
    uint32_t id, n_events;
};

enum { TPI_EVENT_BYTES = 32, TPI_RING_HEADER_BYTES = 32 };

/* A socket that is connected to nobody but its own queue; as long as nobody else writes to it, it never
 * becomes readable with priority. */
static int tpi_post_to_itself(struct tpi_kept_event *kept, int fd) {
    struct sockaddr_un *address = &kept->address;
    kept->address_bytes = sizeof address->sun_family; /* the kernel finds a name */
    address->sun_family = AF_UNIX;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    char letter = 0;
    struct iovec body = {&letter, 1};
    int socket = (int)syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return -1;
    bool bound = syscall(SYS_bind, socket, address, kept->address_bytes) == 0;
    kept->address_bytes = sizeof *address;
    bound = bound && syscall(SYS_getsockname, socket, address, &kept->address_bytes) == 0;
    struct msghdr message = {address, kept->address_bytes, &body, 1, &control, sizeof control, 0};
    if (bound && syscall(SYS_sendmsg, socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) return socket;
    tp_raw_close(socket);
    return -1;
}

/* The ring's pages are the parent's: a child would only carry them on. */
static void tpi_keep_from_children(uint64_t context) {
    const struct tpi_ring *ring = (const void *)(uintptr_t)context;
    size_t bytes = TPI_RING_HEADER_BYTES + (size_t)ring->n_events * TPI_EVENT_BYTES;
    tpi_madvise((void *)(uintptr_t)context, tpi_round_up(bytes, TPI_PAGE_BYTES), MADV_DONTFORK);
}

static uint64_t tpi_poll_for_ever(int socket) {
    aio_context_t context = 0;
    struct iocb poll = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = (uint32_t)socket, .aio_buf = POLLPRI};
    struct iocb *all[] = {&poll};
    if (syscall(SYS_io_setup, 1, &context) != 0) return 0;
    tpi_keep_from_children(context);
    if (syscall(SYS_io_submit, context, 1, all) == 1) return context;
    syscall(SYS_io_destroy, context);
    return 0;
}

static void tpi_keep_high(struct tpi_kept_event *kept, int fd) {
    int high = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, TPI_LOWEST_FD);
    kept->fd = high >= 0 ? high : fd;
    if (high >= 0) tp_raw_close(fd);
    syscall(SYS_ioctl, kept->fd, PERF_EVENT_IOC_ID, &kept->id);
}

void tpi_event_keep(struct tpi_kept_event *kept, int fd) {
    *kept = (struct tpi_kept_event){.fd = -1};
    int socket = tpi_post_to_itself(kept, fd);
    if (socket >= 0) kept->context = tpi_poll_for_ever(socket);
    if (socket >= 0) tp_raw_close(socket);
    if (kept->context != 0)
        tp_raw_close(fd);
    else
        tpi_keep_high(kept, fd);
}

void tpi_event_drop_parents(struct tpi_kept_event *kept) {
    uint64_t id = 0;
    if (kept->fd >= 0 && syscall(SYS_ioctl, kept->fd, PERF_EVENT_IOC_ID, &id) == 0 && id == kept->id)
        tp_raw_close(kept->fd);
    *kept = (struct tpi_kept_event){.fd = -1};
}

/* A second message completes the poll, and all that hung on it goes before the call returns. Without it the
 * kernel's workers would do that, some milliseconds and samples after io_destroy. */
static void tpi_knock(const struct tpi_kept_event *kept) {
    int socket = (int)syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return;
    syscall(SYS_sendto, socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, &kept->address, kept->address_bytes);
    tp_raw_close(socket);
}

void tpi_event_drop(struct tpi_kept_event *kept) {
    if (kept->context != 0) {
        tpi_knock(kept);
        syscall(SYS_io_destroy, kept->context);
    }
    tpi_event_drop_parents(kept);
}
