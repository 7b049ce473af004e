/* Hazard: threads end with memory alive, which others read, resize and free long after. */
#include "hazard.h"

#include <pthread.h>

enum { THREADS = 60 };

static void *make(void *number) {
    unsigned seed = (unsigned)(uintptr_t)number;
    unsigned char *memory = take((seed + 1) * 30 * KIB, seed);
    if (seed % 3 == 0) pthread_exit(memory);
    return memory;
}

int main(void) {
    pthread_t threads[THREADS];
    unsigned char *left[THREADS];
    size_t good = 0;
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, make, (void *)i);
        if (i % 4 == 3)
            for (uintptr_t n = i - 3; n <= i; n++)
                pthread_join(threads[n], (void **)&left[n]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        if (i % 2) left[i] = realloc(left[i], (i + 2) * 30 * KIB);
        good += intact(left[i], (i + 1) * 30 * KIB, i) == (i + 1) * 30 * KIB;
        free(left[i]);
    }
    say("good %zu of %d\n", good, THREADS);
    return 0;
}
