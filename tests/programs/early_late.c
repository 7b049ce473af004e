/* Allocates before main, in it, and after it. */
#include <stdlib.h>

static void once(size_t bytes) {
    void *volatile block = malloc(bytes);
    free(block);
}

__attribute__((constructor)) static void before(void) {
    once(100000);
}
__attribute__((destructor)) static void after(void) {
    once(400000);
}
static void at_exit(void) {
    once(300000);
}

int main(void) {
    atexit(at_exit);
    once(200000);
    return 0;
}
