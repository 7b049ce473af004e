/* Forks 20 children; each frees its parent's block, and makes as many blocks of its own as its number tells.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 20, PARENTS_BYTES = 100000, CHILDS_BYTES = 200000 };

int main(void) {
    char *volatile parents = malloc(PARENTS_BYTES);
    memset(parents, 1, PARENTS_BYTES);
    int failures = 0, status;
    for (int number = 1; number <= CHILDREN; number++) {
        pid_t child = fork();
        if (child != 0) continue;
        for (int i = 0; i < number; i++) {
            char *volatile own = malloc(CHILDS_BYTES);
            memset(own, number, CHILDS_BYTES);
            free(own);
        }
        int intact = parents[0] == 1 && parents[PARENTS_BYTES - 1] == 1;
        free(parents);
        exit(intact ? 0 : 1);
    }
    while (wait(&status) > 0)
        failures += status != 0;
    free(parents);
    return failures;
}
