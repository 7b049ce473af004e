/* A vforked child allocates in its parent's memory, and then executes something else; posix_spawn does as
 * much. */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    static char *const arguments[] = {"true", NULL};
    void *volatile shared = NULL;
    int status = 0;
    pid_t child = vfork();
    if (child == 0) {
        shared = malloc(100000);
        execv("/bin/true", arguments);
        _exit(1);
    }
    if (waitpid(child, &status, 0) != child || status != 0) return 1;
    free(shared);
    if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) != 0) return 2;
    if (waitpid(child, &status, 0) != child || status != 0) return 3;
    shared = malloc(200000);
    free(shared);
    return 0;
}
