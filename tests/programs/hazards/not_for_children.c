/* Hazard: mappings that a child is not to inherit, or to find wiped. */
#include "hazard.h"

#include <sys/mman.h>

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    unsigned char *pages = mmap(NULL, 3 * MIB, PROT_READ | PROT_WRITE, flags, -1, 0), *other = take(MIB, 2);
    unsigned char core;
    fill(pages, 3 * MIB, 1);
    say("wipe %d", madvise(pages, MIB, MADV_WIPEONFORK));
    say(" keep out %d\n", madvise(pages + MIB, MIB, MADV_DONTFORK));
    pid_t pid = fork();
    if (pid == 0) {
        int good = zeroes(pages, MIB) == MIB && mincore(pages + MIB, PAGE, &core) != 0 && errno == ENOMEM;
        good += 2 * (intact(pages + 2 * MIB, MIB, (unsigned)(2 * MIB * 7 + 2 * MIB / PAGE + 1)) == MIB);
        good += 4 * (intact(other, MIB, 2) == MIB);
        _exit(good);
    }
    say("child %d intact %zu\n", ending(pid), intact(pages, 3 * MIB, 1));
    munmap(pages, 3 * MIB);
    free(other);
    return 0;
}
