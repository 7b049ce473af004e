/* Closes every descriptor, allocates, and tells which number a new one gets, and how many are open. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    int out = dup(1), count = 0;
    for (int fd = 0; fd < 1024; fd++)
        if (fd != out) close(fd);
    for (int i = 0; i < 5000; i++) {
        void *volatile block = malloc(5000 + (size_t)i);
        free(block);
    }
    int first = open("/dev/null", O_RDONLY);
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        count++;
    dprintf(out, "first %d entries %d\n", first, count);
    return 0;
}
