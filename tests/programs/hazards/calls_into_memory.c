/* Hazard: system calls that read and write placed memory: read, write, readv, pread, sendmsg, getrandom,
 * O_DIRECT, and the errors that they give for memory that they may not write. */
#include "hazard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void straight(void) {
    unsigned char *memory = aligned_alloc(PAGE, MIB);
    int fd = open("straight", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
    if (fd < 0) fd = open("straight", O_RDWR | O_CREAT | O_TRUNC, 0600);
    fill(memory, MIB, 3);
    say("straight %zd", pwrite(fd, memory, MIB, 0));
    memset(memory, 0, MIB);
    say(" %zd", pread(fd, memory, MIB, 0));
    say(" intact %zu\n", intact(memory, MIB, 3));
    close(fd);
    free(memory);
}

int main(void) {
    enum { SIZE = 200 * 1024 };
    unsigned char *from = take(SIZE, 1), *to = calloc(1, SIZE), *parts[4];
    struct iovec vector[4];
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600), ends[2];
    say("write %zd", write(fd, from, SIZE));
    say(" pread %zd", pread(fd, to, SIZE, 0));
    say(" intact %zu\n", intact(to, SIZE, 1));
    for (int i = 0; i < 4; i++)
        vector[i] = (struct iovec){parts[i] = calloc(1, SIZE / 4), SIZE / 4};
    say("preadv %zd", preadv(fd, vector, 4, 0));
    for (int i = 0; i < 4; i++)
        say(" %d", memcmp(parts[i], from + i * (SIZE / 4), SIZE / 4));
    socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = 4};
    memset(to, 0, SIZE);
    ssize_t sent = sendmsg(ends[0], &message, MSG_DONTWAIT);
    say("\nsendmsg %zd", sent);
    say(" recv %zd", recv(ends[1], to, SIZE, 0));
    say(" intact %zu\n", intact(to, SIZE, 1));
    say("getrandom %zd\n", getrandom(to, SIZE, 0));
    unsigned char *page = aligned_alloc(PAGE, 8 * PAGE);
    mprotect(page, 8 * PAGE, PROT_READ);
    say("refused %zd", pread(fd, page, PAGE, 0));
    say(" %s\n", strerrorname_np(errno));
    mprotect(page, 8 * PAGE, PROT_READ | PROT_WRITE);
    say("allowed %zd\n", pread(fd, page, PAGE, 0));
    straight();
    for (int i = 0; i < 4; i++)
        free(parts[i]);
    free(page);
    free(from);
    free(to);
    return 0;
}
