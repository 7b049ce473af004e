/* Hazard: a daemon closes all descriptors it did not open, memkind's among them, and gets the number again
 * for a file of its own. That file must not change. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct stat status;
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    for (int fd = 3; fd < 200; fd++) /* every number that memkind's may have had */
        if (open(argv[1], O_CREAT | O_RDWR, 0600) != fd) return 1;
    for (int i = 0; i < 2000; i++)
        memset(malloc(64 << 10), 1, 64 << 10); /* 128 MiB: more than memkind has at hand */
    stat(argv[1], &status);
    printf("bytes %ld\n", (long)status.st_size);
    return argc != 2;
}
