/* Hazard: clone(CLONE_VM) without threads: a child on a stack of malloc's, in its parent's memory, with its
 * parent's thread storage. */
#include "hazard.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

static unsigned char *mapped;

static int child(void *memory) {
    fill(memory, 300 * KIB, 2);
    mapped = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fill(mapped, MIB, 3);
    return 12;
}

int main(void) {
    unsigned char *memory = take(300 * KIB, 1), *stack = malloc(256 * KIB);
    for (int i = 0; i < 3; i++) {
        pid_t pid = clone(child, stack + 256 * KIB, CLONE_VM | CLONE_VFORK | SIGCHLD, memory);
        say("child %d", ending(pid));
        say(" wrote %zu mapped %zu\n", intact(memory, 300 * KIB, 2), intact(mapped, MIB, 3));
        munmap(mapped, MIB);
        fill(memory, 300 * KIB, 1);
    }
    free(stack);
    free(memory);
    return 0;
}
