/* One allocating function on two call paths, and under recursions of two depths that are one path. */
#include <stdlib.h>

__attribute__((noinline)) static void *allocate(size_t size) {
    void *volatile block = malloc(size);
    return block;
}

__attribute__((noinline)) static void left(void) {
    free(allocate(100000));
    __asm__ volatile("");
}

__attribute__((noinline)) static void right(void) {
    free(allocate(200000));
    __asm__ volatile("");
}

__attribute__((noinline)) static void recurse(volatile int depth, size_t size) {
    if (depth > 0)
        recurse(depth - 1, size);
    else
        free(allocate(size));
    __asm__ volatile("");
}

int main(void) {
    left();
    right();
    for (volatile int i = 0; i < 2; i++)
        recurse(i == 0 ? 3 : 300, i == 0 ? 300000 : 400000); /* one call site */
    return 0;
}
