/* Takes the memory of NODE until LEAVE bytes of it are free, and keeps it until it hears a word. */
#include "live.h"

#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static long free_bytes(int node) {
    char path[80], line[128];
    long kib = 0;
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d/meminfo", node);
    FILE *file = fopen(path, "r");
    if (file == NULL) exit(2);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Node %*d MemFree: %ld kB", &kib) == 1) break;
    fclose(file);
    return kib * 1024;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int node = atoi(argv[1]);
    long leave = atol(argv[2]), step = 1 << 20;
    char word[16];
    unsigned long mask = 1ul << node;
    while (free_bytes(node) > leave + step) {
        char *pages = mmap(NULL, (size_t)step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED || syscall(SYS_mbind, pages, step, MPOL_PREFERRED, &mask, 64ul, 0) != 0)
            return 3;
        memset(pages, 1, (size_t)step);
    }
    say_ready();
    (void)hear(word, sizeof word);
    puts("content good");
    return 0;
}
