/* Hazard: the middle of a placed mapping is unmapped, and of memory from malloc, too, as allocators do that
 * are built on another's pages; the address space may come back as something else. */
#include "hazard.h"

#include <sys/mman.h>

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    unsigned char *pages = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, flags, -1, 0);
    unsigned char *other = take(5 * MIB, 2);
    fill(pages, 16 * MIB, 1);
    say("middle %d\n", munmap(pages + 5 * MIB, 3 * MIB));
    unsigned char core;
    say("gone %d\n", mincore(pages + 6 * MIB, PAGE, &core) != 0 && errno == ENOMEM);
    int fixed = flags | MAP_FIXED_NOREPLACE;
    unsigned char *back = mmap(pages + 5 * MIB, 3 * MIB, PROT_READ | PROT_WRITE, fixed, -1, 0);
    say("back %d zeroes %zu\n", back == pages + 5 * MIB, zeroes(back, 3 * MIB));
    say("pages one by one");
    for (size_t at = 0; at < MIB; at += 2 * PAGE)
        if (munmap(pages + at, PAGE) != 0) say(" %zu", at);
    say(" kept %zu\n",
        intact(pages + MIB + PAGE, PAGE, (unsigned)((MIB + PAGE) * 7 + ((MIB + PAGE) >> 12) + 1)));
    say("all %d\n", munmap(pages, 16 * MIB));
    say("other %zu\n", intact(other, 5 * MIB, 2));
    free(other);
    return 0;
}
