/* Four threads fill and sum an array each; prints the sums in order. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, WORDS = 100000 };

static void *sum(void *number) {
    long *array = malloc(WORDS * sizeof *array), total = 0;
    for (long i = 0; i < WORDS; i++)
        array[i] = i * *(long *)number;
    for (long i = 0; i < WORDS; i++)
        total += array[i];
    free(array);
    return (void *)total;
}

int main(void) {
    pthread_t threads[THREADS];
    long numbers[THREADS] = {1, 2, 3, 4};
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, sum, &numbers[i]);
    for (int i = 0; i < THREADS; i++) {
        void *total;
        pthread_join(threads[i], &total);
        printf("%ld\n", (long)total);
    }
    return 0;
}
