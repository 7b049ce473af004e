/* Hazard: address space of a terabyte is set aside and used here and there, as runtimes with heaps of their
 * own do, and advice is given about all of it, again and again: who looks at each page of it is here all day.
 */
#include "hazard.h"

#include <sys/mman.h>

enum { ARENAS = 3, TIMES = 1000 };

int main(void) {
    size_t all = MIB << 20, at[ARENAS] = {0, 3 * (MIB << 10) - MIB / 2, 600 * (MIB << 10)};
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, failed = 0;
    unsigned char *space = mmap(NULL, all, PROT_NONE, flags, -1, 0);
    if (space == MAP_FAILED) skip("no terabyte of address space");
    for (unsigned i = 0; i < ARENAS; i++)
        if (mmap(space + at[i], MIB, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0) != MAP_FAILED)
            fill(space + at[i], MIB, i);
    for (int i = 0; i < TIMES; i++)
        failed += madvise(space, all, i % 2 ? MADV_DODUMP : MADV_DONTDUMP) != 0;
    say("refused %d\n", failed);
    for (unsigned i = 0; i < ARENAS; i++)
        say("kept %zu\n", intact(space + at[i], MIB, i));
    say("discarded %d\n", madvise(space, all, MADV_DONTNEED));
    for (unsigned i = 0; i < ARENAS; i++)
        say("zeroes %zu\n", zeroes(space + at[i], MIB));
    say("protected %d\n", mprotect(space, all, PROT_READ));
    say("unmapped %d\n", munmap(space, all));
    return 0;
}
