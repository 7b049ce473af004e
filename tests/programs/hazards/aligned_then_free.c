/* Hazard: aligned memory is given back with plain free, or grown with realloc, which knows no alignment. */
#include "hazard.h"

#include <malloc.h>

int main(void) {
    size_t good = 0, aligned = 0, count = 0;
    for (size_t align = 16; align <= 64 * KIB; align *= 2)
        for (size_t size = 64; size <= 4 * MIB; size *= 16) {
            unsigned char *memory = aligned_alloc(align, size < align ? align : size);
            unsigned char *other = memalign(align, size + 1);
            aligned += ((uintptr_t)memory % align == 0) + ((uintptr_t)other % align == 0);
            fill(memory, size, 1);
            fill(other, size, 2);
            memory = realloc(memory, size / 2 + 9);
            good += intact(memory, size / 2, 1) == size / 2;
            good += intact(other, size, 2) == size;
            free(other);
            free(memory);
            count += 2;
        }
    say("of %zu: aligned %zu, intact %zu\n", count, aligned, good);
    return 0;
}
