/* Calls every hooked function once, each with a size of its own: 100000 and up by 1000. */
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

static void *volatile kept;

static void release(void *address) {
    kept = address; /* so that no pair of calls is optimised away */
    free(kept);
}

int main(void) {
    void *aligned = NULL;
    release(malloc(100000));
    release(calloc(1010, 100)); /* 101000 */
    kept = malloc(64);
    release(realloc(kept, 102000));
    kept = malloc(64);
    release(reallocarray(kept, 1030, 100)); /* 103000 */
    if (posix_memalign(&aligned, 256, 104000) != 0) return 1;
    release(aligned);
    release(aligned_alloc(512, 105472)); /* a multiple of 512 */
    release(memalign(1024, 106000));
    release(valloc(107000));
    release(pvalloc(108000));
    char *map = mmap(NULL, 110592, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *map64 = mmap64(NULL, 114688, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || map64 == MAP_FAILED) return 2;
    char *moved = mremap(map, 110592, 118784, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) return 3;
    return munmap(moved, 118784) | munmap(map64, 114688);
}
