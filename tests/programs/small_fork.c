/* A process whose other thread allocates and frees all the time forks twenty times; each child checks what it
 * inherited, frees it, and allocates as much again.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 20, BLOCKS = 2000, BYTES = 96 };

static char *blocks[BLOCKS];
static atomic_int finished;

static __attribute__((noinline)) char *make(int number) {
    char *block = malloc(BYTES);
    memset(block, number & 0x7f, BYTES);
    return block;
}

static void *disturb(void *unused) {
    while (!atomic_load(&finished))
        free(make(1));
    return NULL;
}

static int check_and_renew(void) {
    for (int i = 0; i < BLOCKS; i++) {
        for (int byte = 0; byte < BYTES; byte++)
            if (blocks[i][byte] != (i & 0x7f)) return 1;
        free(blocks[i]);
        blocks[i] = make(i);
    }
    return 0;
}

int main(void) {
    pthread_t thread;
    int failed = 0;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = make(i);
    pthread_create(&thread, NULL, disturb, NULL);
    for (int child = 0; child < CHILDREN; child++) {
        pid_t pid = fork();
        if (pid == 0) exit(check_and_renew() + check_and_renew());
        int status = 1;
        waitpid(pid, &status, 0);
        failed += status != 0;
    }
    atomic_store(&finished, 1);
    pthread_join(thread, NULL);
    return failed + check_and_renew();
}
