/* Hazard: errno belongs to the program: success leaves it alone, free leaves it alone, failure sets it. */
#include "hazard.h"

#include <malloc.h>
#include <sys/mman.h>

int main(void) {
    static const size_t sizes[] = {1, 5000, 70000, 3000000};
    int changed = 0, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    volatile size_t most = SIZE_MAX / 2 + 5;
    for (size_t i = 0; i < 4; i++) {
        errno = EXDEV;
        void *aligned = NULL, *memory = malloc(sizes[i]), *zeroed = calloc(sizes[i], 2);
        changed += errno != EXDEV;
        memory = realloc(memory, sizes[i] * 3);
        changed += errno != EXDEV;
        changed += posix_memalign(&aligned, 64, sizes[i]) != 0 || errno != EXDEV;
        changed += malloc_usable_size(zeroed) < sizes[i] * 2 || errno != EXDEV;
        void *pages = mmap(NULL, sizes[i], PROT_READ, flags, -1, 0);
        pages = mremap(pages, sizes[i], sizes[i] * 2, MREMAP_MAYMOVE);
        munmap(pages, sizes[i] * 2);
        changed += errno != EXDEV;
        free(memory);
        free(zeroed);
        free(aligned);
        free(NULL);
        changed += errno != EXDEV;
        void *volatile none = malloc(most);
        say("%s ", none == NULL ? strerrorname_np(errno) : "memory");
        errno = EXDEV;
        changed += posix_memalign(&aligned, 64, most) != ENOMEM;
    }
    say("changed %d\n", changed);
    return 0;
}
