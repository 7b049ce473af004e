/* Every way of realloc between small and tracked sizes; the content must follow. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static char *filled(size_t size) {
    char *block = malloc(size);
    for (size_t i = 0; i < size; i++)
        block[i] = (char)(i * 7);
    return block;
}

static int intact(const char *block, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (block[i] != (char)(i * 7)) return 0;
    return 1;
}

int main(void) {
    char *block = filled(100);
    block = realloc(block, 100000); /* small to tracked */
    if (block == NULL || !intact(block, 100)) return 1;
    free(block);
    block = filled(100000);
    block = realloc(block, 300000); /* tracked grows */
    if (block == NULL || !intact(block, 100000)) return 2;
    volatile size_t too_much = PTRDIFF_MAX;
    errno = 0;
    if (realloc(block, too_much) != NULL || errno != ENOMEM) return 3; /* fails: it stays as it was */
    if (!intact(block, 100000) || malloc_usable_size(block) < 300000) return 4;
    block = realloc(block, 200000); /* tracked shrinks */
    if (!intact(block, 100000)) return 5;
    block = realloc(block, 100); /* tracked to small */
    if (!intact(block, 100)) return 6;
    free(block);
    block = realloc(NULL, 400000);           /* is malloc */
    char *volatile gone = realloc(block, 0); /* is free */
    return gone == NULL ? 0 : 7;
}
