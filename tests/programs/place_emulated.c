/* Reads a large array at random: in the main thread, in two threads, or in a forked child (arguments main,
 * threads, child). The number of reads is fixed, so that there are samples. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 96 << 20, READS = 6000000 };

static uint64_t *array;
static volatile uint64_t sink; /* the reads are not to be optimised away */

static void *read_at_random(void *argument) {
    uint64_t state = 88172645463325252ull;
    for (int i = 0; i < READS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state += array[(state >> 20) % (BYTES / sizeof *array)]; /* the next place depends on this value */
    }
    sink = state;
    return NULL;
}

int main(int argc, char **argv) {
    const char *mode = argv[1];
    array = malloc(BYTES);
    memset(array, 0, BYTES);
    pthread_t threads[2];
    int status = 0;
    if (strcmp(mode, "main") == 0) read_at_random(NULL);
    if (strcmp(mode, "threads") == 0) {
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, read_at_random, NULL);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
    }
    if (strcmp(mode, "child") == 0) {
        if (fork() == 0) {
            read_at_random(NULL);
            exit(0);
        }
        wait(&status);
    }
    free(array);
    return argc != 2 || status != 0;
}
