/* Hazard: mremap makes a placed mapping larger, smaller, moves it, and copies a part of it elsewhere. */
#include "hazard.h"

#include <sys/mman.h>

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    unsigned char *pages = mmap(NULL, MIB, PROT_READ | PROT_WRITE, flags, -1, 0);
    unsigned char *other = take(300 * KIB, 9);
    fill(pages, MIB, 1);
    for (size_t size = MIB; size < 16 * MIB; size *= 2) {
        pages = mremap(pages, size, size * 2, MREMAP_MAYMOVE);
        say("%zu: %zu zeroes %d\n", size, intact(pages, MIB, 1), zeroes(pages + size, size) == size);
    }
    pages = mremap(pages, 16 * MIB, MIB, 0);
    unsigned char *room = mmap(NULL, 2 * MIB, PROT_NONE, flags, -1, 0);
    pages = mremap(pages, MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, room);
    say("moved %d %zu\n", pages == room, intact(pages, MIB, 1));
    say("in place %d\n", mremap(pages, 2 * MIB, (size_t)1 << 46, 0) == MAP_FAILED && errno == ENOMEM);
    unsigned char *half = mremap(pages + MIB / 2, MIB / 2, MIB / 2, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
    say("half %d rest %zu\n", zeroes(pages + MIB / 2, MIB / 2) == MIB / 2, intact(pages, MIB / 2, 1));
    munmap(pages, 2 * MIB);
    munmap(half, MIB / 2);
    say("other %zu\n", intact(other, 300 * KIB, 9));
    free(other);
    return 0;
}
