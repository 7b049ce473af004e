/* Hazard: 200 children in quick succession, many alive at once, each with its parent's memory and its own. */
#include "hazard.h"

int main(void) {
    unsigned char *memory = take(100 * KIB, 1);
    unsigned sum = 0;
    for (unsigned i = 0; i < 200; i++) {
        if (fork() == 0) {
            unsigned char *mine = take(20 * KIB, i);
            mine = realloc(mine, 60 * KIB);
            fill(memory, 100 * KIB, i);
            int good = intact(mine, 20 * KIB, i) == 20 * KIB && intact(memory, 100 * KIB, i) == 100 * KIB;
            free(mine);
            free(memory);
            _exit(good ? 1 : 0);
        }
        for (int status; i >= 20 && wait(&status) > 0;) {
            sum += (unsigned)WEXITSTATUS(status);
            break;
        }
    }
    for (int status; wait(&status) > 0;)
        sum += (unsigned)WEXITSTATUS(status);
    say("good %u intact %zu\n", sum, intact(memory, 100 * KIB, 1));
    free(memory);
    return 0;
}
