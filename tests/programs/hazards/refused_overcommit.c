/* Hazard: more memory than the machine has. malloc says no at once; a mapping that reserves nothing is had.
 */
#include "hazard.h"

#include <sys/mman.h>

int main(void) {
    volatile size_t many = (size_t)1 << 44;
    unsigned char *memory = take(300 * KIB, 1);
    void *volatile refused = malloc(many);
    say("malloc %d %s\n", refused == NULL, strerrorname_np(errno));
    errno = 0;
    void *volatile aligned = aligned_alloc(2 * MIB, many);
    say("aligned_alloc %d %s\n", aligned == NULL, strerrorname_np(errno));
    errno = 0;
    void *volatile zeroed = calloc(many, 2);
    say("calloc %d %s\n", zeroed == NULL, strerrorname_np(errno));
    errno = 0;
    void *volatile grown = realloc(memory, many);
    say("realloc %d %s\n", grown == NULL, strerrorname_np(errno));
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    unsigned char *pages = mmap(NULL, (size_t)1 << 42, PROT_READ | PROT_WRITE, flags, -1, 0);
    say("mapped %d\n", pages != MAP_FAILED);
    fill(pages + ((size_t)1 << 41), PAGE, 3);
    say("intact %zu %zu\n", intact(pages + ((size_t)1 << 41), PAGE, 3), intact(memory, 300 * KIB, 1));
    munmap(pages, (size_t)1 << 42);
    free(memory);
    return 0;
}
