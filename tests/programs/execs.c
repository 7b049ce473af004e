/* Allocates 100000 bytes, executes itself with an argument, and then allocates 200000. */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    void *volatile block = malloc(argc > 1 ? 200000 : 100000);
    free(block);
    if (argc == 1) execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    return argc > 1 ? 0 : 1;
}
