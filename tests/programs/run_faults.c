/* Touches every second page of a fresh mapping, once, and prints where it lies: hexadecimal start, pages,
 * page size. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t pages = argc > 1 ? strtoul(argv[1], NULL, 10) : 64, page = (size_t)sysconf(_SC_PAGESIZE);
    char *start = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) return 1;
    madvise(start, pages * page, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages; i += 2)
        ((volatile char *)start)[i * page + i % page] = 1;
    printf("%lx %zu %zu\n", (unsigned long)start, pages, page);
    return 0;
}
