/* Hazard: every way to get memory, in whatever tier the default is. Content, alignment and zeroes must be
 * right. */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void check(int good, const char *what) {
    if (good) return;
    failures++;
    printf("FAILED: %s\n", what);
}

static int holds(const unsigned char *memory, size_t size, unsigned char value) {
    for (size_t i = 0; i < size; i++)
        if (memory[i] != value) return 0;
    return 1;
}

static void try_size(size_t size) {
    for (int round = 0; round < 3; round++) { /* the later rounds meet reused pages */
        unsigned char *zeroes = calloc(1, size);
        check(holds(zeroes, size, 0), "calloc gives zeroes");
        memset(zeroes, 0xff, size);
        free(zeroes);
        unsigned char *memory = malloc(size);
        memset(memory, 0x5a, size);
        memory = realloc(memory, 3 * size);
        check(holds(memory, size, 0x5a), "a larger realloc keeps the content");
        memset(memory, 0xa5, 3 * size);
        memory = realloc(memory, size / 2);
        check(holds(memory, size / 2, 0xa5), "a smaller realloc keeps the content");
        check(malloc_usable_size(memory) >= size / 2, "malloc_usable_size");
        free(memory);
    }
    for (size_t align = 16; align <= (size_t)4 << 20; align *= 8) {
        void *memory = NULL;
        check(posix_memalign(&memory, align, size) == 0, "posix_memalign");
        check((uintptr_t)memory % align == 0, "alignment");
        memset(memory, 1, size);
        free(memory);
    }
}

int main(void) {
    const size_t sizes[] = {4096, 5000, 65536, 100000, 1 << 20, (2 << 20) - 1, 2 << 20, (5 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        try_size(sizes[i]);
    check(malloc(PTRDIFF_MAX) == NULL, "an absurd size fails");
    puts(failures ? "bad" : "good");
    return failures != 0;
}
