/* Hazard: alignments that are none: refused with EINVAL, and the result left alone, or rounded up as the C
 * library does.
 * Sanitized: no, the sanitizers have a malloc of their own, which ends the program instead
 */
#include "hazard.h"

#include <malloc.h>

int main(void) {
    static const size_t aligns[] = {0, 1, 2, 4, 8, 12, 16, 24, 4095, 4096, 6000, (size_t)1 << 63};
    for (size_t i = 0; i < sizeof aligns / sizeof *aligns; i++) {
        size_t align = aligns[i];
        void *memory = &memory;
        int error = posix_memalign(&memory, align, 64 * KIB);
        say("%zu: %s", align, error ? strerrorname_np(error) : "good");
        if (error)
            say(" %s", memory == &memory ? "untouched" : "touched");
        else
            free(memory);
        volatile size_t hidden = align;
        errno = 0;
        memory = align < MIB ? memalign(hidden, 64 * KIB) : NULL;
        say(" memalign %s %s", memory ? "good" : "none", errno ? strerrorname_np(errno) : "no error");
        size_t up = align <= 16 ? 16 : (size_t)1 << (64 - __builtin_clzl(align - 1));
        say(" aligned %d\n", memory != NULL && (uintptr_t)memory % up == 0);
        free(memory);
    }
    return 0;
}
