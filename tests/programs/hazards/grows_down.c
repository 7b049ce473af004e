/* Hazard: a mapping that grows downwards when it is touched below its start, and one that is a stack. */
#include "hazard.h"

#include <sys/mman.h>

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    unsigned char *room = mmap(NULL, 8 * MIB, PROT_NONE, flags, -1, 0), *other = take(300 * KIB, 3);
    munmap(room, 8 * MIB);
    unsigned char *top =
        mmap(room + 7 * MIB, 64 * KIB, PROT_READ | PROT_WRITE, flags | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    fill(top, 64 * KIB, 1);
    for (size_t below = PAGE; below < 512 * KIB; below += PAGE)
        *(volatile unsigned char *)(top - below) = (unsigned char)(below >> 12);
    size_t good = 0;
    for (size_t below = PAGE; below < 512 * KIB; below += PAGE)
        good += top[-(ptrdiff_t)below] == (unsigned char)(below >> 12);
    say("grown %zu top %zu other %zu\n", good, intact(top, 64 * KIB, 1), intact(other, 300 * KIB, 3));
    unsigned char *stack = mmap(NULL, MIB, PROT_READ | PROT_WRITE, flags | MAP_STACK | MAP_NORESERVE, -1, 0);
    say("stack %d\n", stack != MAP_FAILED && zeroes(stack, MIB) == MIB);
    munmap(stack, MIB);
    free(other);
    return 0;
}
