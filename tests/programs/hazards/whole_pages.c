/* Hazard: valloc and pvalloc, which promise pages; what pvalloc hands out is whole pages to the last byte. */
#include "hazard.h"

#include <malloc.h>

int main(void) {
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000, 3 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *one = valloc(sizes[i]), *other = pvalloc(sizes[i]);
        size_t whole = (sizes[i] + PAGE - 1) & ~(PAGE - 1);
        say("%zu: aligned %d %d", sizes[i], (uintptr_t)one % PAGE == 0, (uintptr_t)other % PAGE == 0);
        fill(one, sizes[i], 3);
        fill(other, whole, 4);
        say(" intact %d %d\n", intact(one, sizes[i], 3) == sizes[i], intact(other, whole, 4) == whole);
        free(one);
        free(other);
    }
    return 0;
}
