/* Hazard: memory is mapped and unmapped by bare system calls, in part of it by hooked ones: addresses come
 * and go that nobody told of. */
#include "hazard.h"

#include <sys/mman.h>
#include <sys/syscall.h>

static void *raw_map(void *where, size_t size, int more) {
    return (void *)syscall(SYS_mmap, where, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | more,
                           -1, 0L);
}

int main(void) {
    size_t good = 0;
    unsigned char *memory = take(3 * MIB, 1);
    for (unsigned i = 0; i < 30; i++) {
        unsigned char *one = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        fill(one, MIB, i);
        syscall(SYS_munmap, one, MIB);
        unsigned char *other = raw_map(one, MIB, MAP_FIXED);
        good += zeroes(other, MIB) == MIB;
        fill(other, MIB, i);
        unsigned char *three = take((i + 1) * 100 * KIB, i);
        good += intact(other, MIB, i) == MIB && intact(three, 100 * KIB, i) == 100 * KIB;
        free(three);
        munmap(other, MIB);
    }
    say("good %zu intact %zu\n", good, intact(memory, 3 * MIB, 1));
    free(memory);
    return 0;
}
