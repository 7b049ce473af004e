/* Hazard: a program empties its environment, writes over its arguments, moves to a folder that is removed,
 * and changes its mask and priority. */
#include "hazard.h"

#include <sys/resource.h>
#include <sys/stat.h>

int main(int argc, char **argv) {
    unsigned char *memory = take(300 * KIB, 1), *held[20];
    static char *none[] = {NULL};
    for (char *at = argv[0]; *at != 0; at++)
        *at = 'x';
    if (mkdir("gone", 0700) != 0 || chdir("gone") != 0 || rmdir("../gone") != 0) return 1;
    umask(0777);
    setpriority(PRIO_PROCESS, 0, 10);
    environ = none;
    for (unsigned i = 0; i < 20; i++)
        held[i] = take((i + 1) * 200 * KIB, i);
    environ = NULL;
    size_t good = 0;
    for (unsigned i = 0; i < 20; i++) {
        held[i] = realloc(held[i], (i + 1) * 100 * KIB);
        good += intact(held[i], (i + 1) * 100 * KIB, i) == (i + 1) * 100 * KIB;
    }
    pid_t pid = fork();
    if (pid == 0) {
        execve("/bin/true", none, none);
        _exit(9);
    }
    say("child %d\n", ending(pid));
    for (unsigned i = 0; i < 20; i++)
        free(held[i]);
    say("good %zu intact %zu\n", good, intact(memory, 300 * KIB, 1));
    free(memory);
    return 0;
}
