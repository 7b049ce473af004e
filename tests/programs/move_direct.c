/* Hazard: a device writes into an object while it is asked to move, past all protection of its pages: reads
 * of a file that bypass the page cache (O_DIRECT). Reads again and again until standard input ends. */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 1 << 20 };

int main(int count, char **arguments) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    int wrong = 0, fd = open(arguments[1], O_RDWR | O_CREAT, 0600);
    char *object = aligned_alloc(4096, BYTES);
    memset(object, 7, BYTES);
    if (write(fd, object, BYTES) != BYTES || fsync(fd) != 0) return 2;
    int direct = open(arguments[1], O_RDONLY | O_DIRECT);
    puts("ready");
    if (direct < 0) puts("refused");
    fflush(stdout);
    while (poll(&input, 1, 0) == 0) {
        memset(object, 0, BYTES);
        if (pread(direct, object, BYTES, 0) != BYTES) continue;
        for (size_t at = 0; at < BYTES; at += 512)
            wrong += object[at] != 7;
    }
    printf("wrong %d\n", wrong);
    return count != 2;
}
