/* Hazard: fork while an object moves. A child must see all of it, may write to it without its parent seeing
 * that, and must not see what the parent writes. Forks until standard input ends. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 3 << 20, WORDS = BYTES / 8, STEP = 64 };

static volatile uint64_t *words;

static int holds(uint64_t value) {
    for (uint64_t i = 0; i < WORDS; i += STEP)
        if (words[i] != value + i) return 0;
    return 1;
}

static void fill(uint64_t value) {
    for (uint64_t i = 0; i < WORDS; i += STEP)
        words[i] = value + i;
}

static int child(uint64_t value) {
    if (!holds(value)) return 1;
    fill(value + 1000000);
    return holds(value + 1000000) ? 0 : 2;
}

int main(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    int bad = 0, forks = 0;
    words = malloc(BYTES);
    puts("ready");
    fflush(stdout);
    for (uint64_t round = 1; forks < 20 || poll(&input, 1, 0) == 0; round++, forks++) {
        int status = -1;
        fill(round);
        pid_t pid = fork();
        if (pid == 0) _exit(child(round));
        fill(round + 500000);
        waitpid(pid, &status, 0);
        bad += status != 0 || !holds(round + 500000);
    }
    printf("bad %d\n", bad);
    return 0;
}
