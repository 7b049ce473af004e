/* Hazard: a program that shuts itself in: another root without /proc, no rights, no way back to any path. */
#include "hazard.h"

#include <grp.h>
#include <sched.h>
#include <sys/stat.h>

int main(void) {
    unsigned char *before = take(300 * KIB, 1);
    if (geteuid() != 0) skip("only root may change its root");
    mkdir("root", 0555);
    unshare(CLONE_NEWNS | CLONE_FILES | CLONE_FS);
    if (chroot("root") != 0 || chdir("/") != 0) skip("the root may not be changed here");
    if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0) return 1;
    say("files %d\n", access("/proc", F_OK) == 0);
    unsigned char *held[40];
    for (unsigned i = 0; i < 40; i++)
        held[i] = take((i + 1) * 100 * KIB, i);
    before = realloc(before, 5 * MIB);
    pid_t pid = fork();
    size_t good = 0;
    for (unsigned i = 0; i < 40; i++) {
        good += intact(held[i], (i + 1) * 100 * KIB, i) == (i + 1) * 100 * KIB;
        free(held[i]);
    }
    if (pid == 0) _exit((int)good);
    say("good %zu child %d before %zu\n", good, ending(pid), intact(before, 300 * KIB, 1));
    free(before);
    return 0;
}
