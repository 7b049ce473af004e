/* Hazard: a program that runs with its owner's rights. The loader ignores what its caller asks to be
 * preloaded, and the caller's environment must do it no harm.
 * Sanitized: no, the runtime of the sanitizers takes no options from such a caller
 */
#include "hazard.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

static int copy_of_self(const char *name) {
    struct stat self;
    int from = open("/proc/self/exe", O_RDONLY), to = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    if (from < 0 || to < 0 || fstat(from, &self) != 0) return -1;
    while (sendfile(to, from, NULL, (size_t)self.st_size) > 0)
        continue;
    close(from);
    close(to);
    return chown(name, 65534, 65534) || chmod(name, 04755);
}

int main(int argc, char **argv) {
    unsigned char *memory = take(300 * KIB, 1);
    memory = realloc(memory, 3 * MIB);
    say("secure %lu intact %zu\n", getauxval(AT_SECURE), intact(memory, 300 * KIB, 1));
    free(memory);
    if (argc > 1) return 3;
    if (geteuid() != 0) skip("only root may give files away");
    if (copy_of_self("secure") != 0) return 1;
    pid_t pid = fork();
    if (pid == 0) {
        execl("./secure", "secure", "again", NULL);
        _exit(9);
    }
    say("ended %d\n", ending(pid));
    return 0;
}
