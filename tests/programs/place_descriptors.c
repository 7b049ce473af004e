/* Hazard: a program that looks at its descriptors finds none of ours, and one that closes all of them, and
 * allows itself no more, goes on being delayed. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BYTES = 96 << 20, READS = 2000000 };

static uint64_t *array;
static volatile uint64_t sink;

static void read_at_random(void) {
    uint64_t state = 88172645463325252ull;
    for (int i = 0; i < READS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state += array[(state >> 20) % (BYTES / sizeof *array)];
    }
    sink = state;
}

static int open_ones(void) {
    int n = 0;
    for (int fd = 3; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

int main(void) {
    int before = open_ones();
    array = malloc(BYTES);
    memset(array, 0, BYTES);
    for (int fd = 3; fd < 1024; fd++)
        syscall(SYS_close, fd);
    int file = open("/dev/null", O_RDONLY);
    close(file);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 3});
    read_at_random();
    printf("open %d first %d\n", before, file);
    free(array);
    return 0;
}
