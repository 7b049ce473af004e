/* Hazard: vfork, whose child borrows its parent's memory, stack and locks until it executes or exits. */
#include "hazard.h"

int main(void) {
    volatile unsigned char *memory = take(300 * KIB, 1);
    for (volatile int i = 0; i < 5; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            memory[i] = (unsigned char)(200 + i);
            if (i % 2) execl("/bin/sh", "sh", "-c", "exit 7", NULL);
            _exit(3);
        }
        say("child %d", ending(pid));
        say(" wrote %d\n", memory[i]);
    }
    pid_t pid = vfork();
    if (pid == 0) {
        unsigned char *mine = malloc(5 * MIB); /* what shells and launchers do, and get away with */
        mine[0] = 1;
        free(mine);
        _exit(4);
    }
    say("child %d\n", ending(pid));
    say("intact %zu\n", intact((void *)memory, 300 * KIB, 1));
    free((void *)memory);
    return 0;
}
