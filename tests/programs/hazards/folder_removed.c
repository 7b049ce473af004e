/* Hazard: the folder that a tier lives in is removed while the program runs, and comes back as a file. The
 * tests name it in HAZARD_FOLDER. */
#include "hazard.h"

#include <fcntl.h>

int main(void) {
    const char *folder = getenv("HAZARD_FOLDER");
    unsigned char *held[30];
    size_t good = 0;
    for (unsigned i = 0; i < 30; i++) {
        if (i == 10 && folder != NULL) rmdir(folder);
        if (i == 20 && folder != NULL) close(open(folder, O_CREAT | O_WRONLY, 0600));
        held[i] = take((i % 3 + 1) * MIB + i * 9000, i);
        if (i % 5 == 0) held[i] = realloc(held[i], 8 * MIB);
    }
    pid_t pid = fork();
    for (unsigned i = 0; i < 30; i++) {
        good += intact(held[i], (i % 3 + 1) * MIB, i) == (i % 3 + 1) * MIB;
        free(held[i]);
    }
    if (pid == 0) _exit((int)good);
    say("good %zu child %d\n", good, ending(pid));
    if (folder != NULL) unlink(folder);
    return 0;
}
