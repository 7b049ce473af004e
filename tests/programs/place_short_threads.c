/* Hazard: thousands of threads that live for a moment, a few at a time, each with a look at the array in the
 * slow tier; the main thread, which lives longer, looks too. The number is the argument. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 48 << 20, AT_A_TIME = 8 };

static uint64_t *array;
static void *volatile sink;

static void *look(void *argument) {
    uint64_t state = (uint64_t)(uintptr_t)argument | 1;
    for (int i = 0; i < 500; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        state += array[(state >> 20) % (BYTES / sizeof *array)];
    }
    return (void *)(uintptr_t)(state | 1);
}

int main(int argc, char **argv) {
    long n = strtol(argv[1], NULL, 10), done = 0;
    array = malloc(BYTES);
    memset(array, 0, BYTES);
    for (long i = 0; i < n; i += AT_A_TIME) {
        pthread_t threads[AT_A_TIME];
        for (long j = 0; j < AT_A_TIME; j++)
            if (pthread_create(&threads[j], NULL, look, (void *)(uintptr_t)(i + j)) != 0) return 1;
        for (long j = 0; j < AT_A_TIME; j++) {
            void *result = NULL;
            pthread_join(threads[j], &result);
            done += result != NULL;
        }
    }
    for (long i = 0; i < 200; i++)
        sink = look((void *)(uintptr_t)i);
    printf("threads %ld\n", done);
    free(array);
    return argc != 2;
}
