/* Two functions call each other 100 times before one of them allocates. */
#include <stdlib.h>

static void pong(volatile int depth);

__attribute__((noinline)) static void ping(volatile int depth) {
    pong(depth - 1);
    __asm__ volatile("");
}

__attribute__((noinline)) static void pong(volatile int depth) {
    if (depth > 0) {
        ping(depth);
    } else {
        void *volatile block = malloc(100000);
        free(block);
    }
    __asm__ volatile("");
}

int main(void) {
    ping(100);
    return 0;
}
