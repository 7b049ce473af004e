/* Objects of two functions, so of two sites: COUNT of BYTES each (1 MiB), all alive at once. Prints how many
 * are right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((noinline)) char *make_left(size_t bytes) {
    return memset(malloc(bytes), 'l', bytes);
}

static __attribute__((noinline)) char *make_right(size_t bytes) {
    __asm__ volatile(""); /* keeps the compiler from folding both functions into one */
    return memset(malloc(bytes), 'r', bytes);
}

int main(int argc, char **argv) {
    size_t count = strtoul(argv[1], NULL, 10), bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 1 << 20,
           right = 0;
    char **left = calloc(count, sizeof *left), **other = calloc(count, sizeof *other);
    for (size_t i = 0; i < count; i++) {
        left[i] = make_left(bytes);
        other[i] = make_right(bytes);
    }
    for (size_t i = 0; i < count; i++)
        right += left[i][bytes - 1] == 'l' && other[i][bytes - 1] == 'r';
    for (size_t i = 0; i < count; i++) {
        free(left[i]);
        free(other[i]);
    }
    free(left);
    free(other);
    printf("right %zu\n", right);
    return 0;
}
