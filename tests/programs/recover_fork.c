/* A parent's array that its forked children read at random, and free: their time belongs to the parent's
 * site. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CELLS (1u << 23)

int main(void) {
    uint32_t *shared = malloc(CELLS * sizeof *shared);
    memset(shared, 1, CELLS * sizeof *shared);
    for (int child = 0; child < 2; child++) {
        if (fork() != 0) continue;
        uint32_t state = 1, sum = 0;
        for (uint32_t i = 0; i < 2000000; i++) {
            state = state * 1664525u + 1013904223u;
            sum += shared[(state ^ sum) % CELLS];
        }
        free(shared);
        exit(sum == 1);
    }
    while (wait(NULL) > 0)
        continue;
    free(shared);
    return 0;
}
