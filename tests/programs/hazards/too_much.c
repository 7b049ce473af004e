/* Hazard: products that overflow, sizes beyond PTRDIFF_MAX, and memory that is refused: NULL and ENOMEM, and
 * what realloc was given is as it was. */
#include "hazard.h"

#include <malloc.h>

static void tell(const char *what, void *memory) {
    say("%s %s %s\n", what, memory == NULL ? "NULL" : "memory", strerrorname_np(errno));
    errno = 0;
}

int main(void) {
    volatile size_t half = SIZE_MAX / 2 + 2, most = SIZE_MAX, beyond = (size_t)PTRDIFF_MAX + 1;
    unsigned char *held = take(300 * KIB, 6);
    void *aligned = held;
    errno = 0;
    tell("calloc", calloc(half, 2));
    tell("calloc of the most", calloc(most, most));
    tell("reallocarray", reallocarray(held, half, 2));
    tell("malloc", malloc(most));
    tell("malloc beyond", malloc(beyond));
    tell("malloc of the largest", malloc(beyond - 1));
    tell("realloc", realloc(held, most));
    tell("realloc beyond", realloc(held, beyond));
    tell("aligned_alloc", aligned_alloc(4096, most - 4095));
    tell("memalign", memalign(64, most - 10));
    tell("valloc", valloc(most - 10));
    tell("pvalloc", pvalloc(most - 10));
    say("posix_memalign %s", strerrorname_np(posix_memalign(&aligned, 64, most - 100)));
    say(", %s\n", aligned == held ? "untouched" : "touched");
    say("intact %zu\n", intact(held, 300 * KIB, 6));
    free(held);
    return 0;
}
