/* resident.c N - touches every other page of N pages and frees them; touches all of N pages and keeps them.
 */
#include <stdlib.h>
#include <sys/mman.h>

static volatile char *allocate(size_t pages) {
    char *memory = malloc(pages * 4096);
    if (memory == NULL) exit(1);
    /* a machine that gives huge pages unasked would touch 512 pages at once */
    madvise((void *)(((size_t)memory + 4095) & ~4095ul), (pages - 1) * 4096, MADV_NOHUGEPAGE);
    return memory;
}

int main(int argc, char **argv) {
    size_t pages = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    volatile char *half = allocate(pages), *whole = allocate(pages);
    for (size_t page = 0; page < pages; page += 2)
        half[page * 4096] = 1;
    for (size_t page = 0; page < pages; page++)
        whole[page * 4096] = 1;
    whole[pages * 4096 - 1] = 1;
    free((void *)half);
    return 0;
}
