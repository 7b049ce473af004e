/* Hazard: alignments of 2 MiB to 1 GiB, for sizes small and large.
 * Sanitized: no, the sanitizers have a malloc of their own, which refuses this
 */
#include "hazard.h"

#include <malloc.h>

int main(void) {
    for (size_t align = 2 * MIB; align <= 1024 * MIB; align *= 8) {
        unsigned char *one = memalign(align, 10 * KIB), *other = aligned_alloc(align, 3 * MIB);
        void *third = NULL;
        int status = posix_memalign(&third, align, 100);
        if (one == NULL || other == NULL || status != 0) {
            say("%zu: refused\n", align);
            continue;
        }
        fill(one, 10 * KIB, 1);
        fill(other, 3 * MIB, 2);
        say("%zu: aligned %d %d %d", align, (uintptr_t)one % align == 0, (uintptr_t)other % align == 0,
            (uintptr_t)third % align == 0);
        other = realloc(other, 4 * MIB);
        say(" intact %zu %zu\n", intact(one, 10 * KIB, 1), intact(other, 3 * MIB, 2));
        free(third);
        free(one);
        free(other);
    }
    return 0;
}
