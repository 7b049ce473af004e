/* A child that no atfork handler hears of. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    char *volatile block = malloc(100000);
    int status = 0;
    memset(block, 1, 100000);
    long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (child == 0) {
        char *volatile own = malloc(200000);
        own[0] = block[99999];
        free(block);
        _exit(own[0] == 1 ? 0 : 1);
    }
    if (waitpid((pid_t)child, &status, 0) != child) return 2;
    free(block);
    return status != 0;
}
