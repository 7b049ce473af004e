/* Objects of two functions, so of two sites: COUNT of 1 MiB each, all alive at once. Prints how many are
 * right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 1 << 20 };

static __attribute__((noinline)) char *make_left(void) {
    return memset(malloc(BYTES), 'l', BYTES);
}

static __attribute__((noinline)) char *make_right(void) {
    __asm__ volatile(""); /* keeps the compiler from folding both functions into one */
    return memset(malloc(BYTES), 'r', BYTES);
}

int main(int argc, char **argv) {
    int count = atoi(argv[1]), right = 0;
    char **left = calloc((size_t)count, sizeof *left), **other = calloc((size_t)count, sizeof *other);
    for (int i = 0; i < count; i++) {
        left[i] = make_left();
        other[i] = make_right();
    }
    for (int i = 0; i < count; i++)
        right += left[i][BYTES - 1] == 'l' && other[i][BYTES - 1] == 'r';
    for (int i = 0; i < count; i++) {
        free(left[i]);
        free(other[i]);
    }
    free(left);
    free(other);
    printf("right %d\n", right);
    return argc != 2;
}
