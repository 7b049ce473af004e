/* Hazard: killed with objects of BYTES in a file, and of 64 KiB, alive. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    size_t size = strtoull(argv[1], NULL, 10);
    char *large = memset(malloc(size), 1, size), *small = memset(malloc(64 << 10), 2, 64 << 10);
    raise(SIGKILL);
    return large[0] + small[0];
}
