/* Two call paths with one height of the stack and the same two innermost return addresses: what differs is
 * the third. Each makes NUMBER blocks of its own size, in turn; then each a small block NUMBER times.
 */
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 1000 };

static void *blocks[4 * NUMBER];
static int count;

static __attribute__((noinline, noclone)) void make(size_t size) {
    blocks[count] = malloc(size);
    memset(blocks[count++], 1, 1);
}

static __attribute__((noinline, noclone)) void middle(size_t size) {
    make(size);
    __asm__ volatile("");
}

static __attribute__((noinline, noclone)) void left(size_t size) {
    middle(size);
    __asm__ volatile("");
}

static __attribute__((noinline, noclone)) void right(size_t size) {
    middle(size);
    __asm__ volatile("");
}

int main(void) {
    for (int i = 0; i < NUMBER; i++) {
        left(8192);
        right(12288);
    }
    for (int i = 0; i < NUMBER; i++) {
        left(64);
        right(192);
    }
    for (int i = 0; i < count; i++)
        free(blocks[i]);
    return 0;
}
