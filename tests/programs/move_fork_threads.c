/* Hazard: threads inside malloc, where a signal may find them with the C library's locks taken, while another
 * forks, and holds the locks that a move needs. Forks until standard input ends. */
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 2, BLOCKS = 64, BYTES = 4 << 20 };

static int stop;

static void *allocate(void *unused) {
    void *blocks[BLOCKS];
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        for (int i = 0; i < BLOCKS; i++)
            blocks[i] = malloc(2000 + 8 * (size_t)i);
        for (int i = 0; i < BLOCKS; i++)
            free(blocks[i]);
    }
    return unused;
}

int main(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    pthread_t threads[THREADS];
    int bad = 0;
    mallopt(M_ARENA_MAX, 1);
    char *object = memset(malloc(BYTES), 5, BYTES);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, allocate, NULL);
    puts("ready");
    fflush(stdout);
    while (poll(&input, 1, 0) == 0) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) _exit(object[0] == 5 && object[BYTES - 1] == 5 ? 0 : 1);
        waitpid(pid, &status, 0);
        bad += status != 0;
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("bad %d\n", bad);
    return 0;
}
