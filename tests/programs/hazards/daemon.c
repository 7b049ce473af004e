/* Hazard: a daemon: it forks twice, closes every descriptor, opens its own under the low numbers, and works
 * on. */
#include "hazard.h"

#include <fcntl.h>

int main(void) {
    int ends[2];
    char account[200];
    unsigned char *memory = take(MIB, 1);
    if (pipe(ends) != 0) return 1;
    if (fork() == 0) {
        setsid();
        if (fork() != 0) _exit(0);
        dup2(ends[1], 50);
        close_range(0, 49, 0);
        close_range(51, ~0u, 0);
        int first = open("/dev/null", O_RDWR), second = dup(first),
            log = open("log", O_RDWR | O_CREAT | O_TRUNC, 0600);
        unsigned char *more = take(5 * MIB, 2), *small = take(70 * KIB, 3);
        memory = realloc(memory, 3 * MIB);
        ssize_t logged = write(log, more, 100000);
        int length =
            snprintf(account, sizeof account, "fds %d %d %d logged %zd size %ld intact %zu %zu %zu\n", first,
                     second, log, logged, (long)lseek(log, 0, SEEK_END), intact(memory, MIB, 1),
                     intact(more, 5 * MIB, 2), intact(small, 70 * KIB, 3));
        if (write(50, account, (size_t)length) != length) _exit(1);
        exit(0);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], account, sizeof account);
    if (length > 0) say("%.*s", (int)length, account);
    say("parent %zu\n", intact(memory, MIB, 1));
    free(memory);
    return 0;
}
