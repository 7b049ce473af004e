/* Hazard: frames of megabytes, alloca in loops, and deep recursion, each with an allocation at the bottom. */
#include "hazard.h"

#include <alloca.h>
#include <sys/resource.h>

static size_t deep(unsigned depth) {
    volatile char frame[512];
    frame[0] = (char)depth;
    unsigned char *memory = depth % 200 == 0 ? take(40 * KIB, depth) : NULL;
    size_t below = depth > 0 ? deep(depth - 1) : 0;
    if (memory != NULL) below += intact(memory, 40 * KIB, depth) == 40 * KIB;
    free(memory);
    return below + (frame[0] != (char)depth);
}

static size_t wide(void) {
    unsigned char array[5 << 20];
    fill(array, sizeof array, 1);
    unsigned char *memory = take(300 * KIB, 2);
    size_t good =
        (intact(array, sizeof array, 1) == sizeof array) + (intact(memory, 300 * KIB, 2) == 300 * KIB);
    free(memory);
    return good;
}

static size_t crawling(void) {
    size_t good = 0;
    for (unsigned i = 1; i < 60; i++) {
        unsigned char *here = fill(alloca(i * 1000), i * 1000, i), *memory = take(i * 1000, i);
        good += memcmp(here, memory, i * 1000) == 0;
        free(memory);
    }
    return good;
}

int main(void) {
    struct rlimit stack;
    getrlimit(RLIMIT_STACK, &stack);
    if (stack.rlim_cur < 8 * MIB) skip("the stack is limited to less than 8 MiB");
    say("deep %zu wide %zu crawling %zu\n", deep(5000), wide(), crawling());
    return 0;
}
