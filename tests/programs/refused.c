/* Requests that must fail, with the errno and the status that the C library gives; and errno that must stay.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

static volatile size_t huge = PTRDIFF_MAX;

#define FAILS(number, call, expected)                                                                        \
    errno = 0;                                                                                               \
    if ((call) || errno != (expected)) return number;

int main(void) {
    void *aligned = &aligned;
    FAILS(1, malloc(huge), ENOMEM)
    FAILS(2, malloc(SIZE_MAX - huge + huge), ENOMEM)
    FAILS(3, calloc(huge, 16), ENOMEM)
    FAILS(4, reallocarray(NULL, huge, 16), ENOMEM)
    FAILS(5, memalign(64, huge), ENOMEM)
    FAILS(6, valloc(huge), ENOMEM)
    if (posix_memalign(&aligned, 3, 100000) != EINVAL || posix_memalign(&aligned, 4, 100000) != EINVAL)
        return 7;
    if (posix_memalign(&aligned, 64, huge) != ENOMEM || aligned != &aligned) return 8;
    FAILS(9, mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED, EINVAL)
    FAILS(10, munmap((void *)1, 4096) == 0, EINVAL)
    FAILS(11, mremap((void *)4096, 4096, 8192, 0) != MAP_FAILED, EFAULT)
    errno = 77;
    void *volatile block = malloc(100000);
    if (errno != 77) return 12;
    free(block);
    if (errno != 77) return 13;
    block = malloc(0);
    if (block == NULL || errno != 77) return 14; /* glibc's malloc(0) is a block */
    free(block);
    free(NULL);
    block = mmap(NULL, 100000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (munmap(block, 100000) != 0 || errno != 77) return 15;
    return 0;
}
