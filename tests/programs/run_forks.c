/* Forks twenty children, each of which fills 64 KiB and ends with its number; prints the sum of their
 * statuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    for (int child = 0; child < 20; child++) {
        if (fork() != 0) continue;
        char *memory = malloc(65536);
        memset(memory, child, 65536);
        _exit(memory[65535]);
    }
    int status, sum = 0;
    while (wait(&status) > 0)
        sum += WEXITSTATUS(status);
    printf("%d\n", sum);
    return 0;
}
