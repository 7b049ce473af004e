/* Hazard: one object is resized hundreds of times, over every threshold, up and down, with a neighbour in the
 * way or not. */
#include "hazard.h"

#include <malloc.h>

int main(void) {
    unsigned char *memory = malloc(1), *neighbour = NULL;
    size_t size = 1, good = 0, count = 0;
    uint32_t random = 1;
    memory[0] = 7;
    for (; count < 300; count++) {
        random = random * 1664525u + 1013904223u;
        size_t next = ((size_t)1 << (random >> 16) % 23) + (random >> 8) % 100;
        size_t kept = next < size ? next : size;
        fill(memory, size, (unsigned)count);
        memory = count % 7 ? realloc(memory, next) : reallocarray(memory, next, 1);
        good += intact(memory, kept, (unsigned)count) == kept && malloc_usable_size(memory) >= next;
        size = next;
        if (count % 3 == 0) {
            free(neighbour);
            neighbour = malloc(size);
        }
    }
    say("good %zu of %zu\n", good, count);
    free(memory);
    free(neighbour);
    return 0;
}
