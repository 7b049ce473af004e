/* Hazard: threads are cancelled in the middle of malloc-heavy work. malloc and free are no cancellation
 * points: a thread that has been cancelled goes on to the next one. */
#include "hazard.h"

#include <pthread.h>

static unsigned cleaned, reached;

static void clean(void *memory) {
    free(memory);
    __atomic_fetch_add(&cleaned, 1, __ATOMIC_RELAXED);
}

static void *run(void *number) {
    unsigned char *held = take(100 * KIB, 1);
    pthread_cleanup_push(clean, held);
    pthread_cancel(pthread_self());
    for (size_t i = 0; i < 100; i++) {
        unsigned char *memory = take(5 * KIB + i * 100 * ((size_t)number + 1), 1);
        memory = realloc(memory, 3 * MIB);
        free(memory);
    }
    __atomic_fetch_add(&reached, 1, __ATOMIC_RELAXED);
    pthread_testcancel();
    __atomic_fetch_add(&reached, 1000, __ATOMIC_RELAXED);
    pthread_cleanup_pop(1);
    return NULL;
}

static void *churn(void *started) {
    for (;;) {
        free(memset(malloc(30 * KIB), 1, 30 * KIB));
        __atomic_store_n((int *)started, 1, __ATOMIC_RELAXED);
        pthread_testcancel();
    }
    return NULL;
}

int main(void) {
    pthread_t threads[8];
    void *result;
    int cancelled = 0;
    for (uintptr_t i = 0; i < 8; i++) {
        int started = 0;
        pthread_create(&threads[i], NULL, i % 2 ? churn : run, i % 2 ? (void *)&started : (void *)i);
        while (i % 2 && !__atomic_load_n(&started, __ATOMIC_RELAXED))
            usleep(100);
        if (i % 2) pthread_cancel(threads[i]);
        pthread_join(threads[i], &result);
        cancelled += result == PTHREAD_CANCELED;
    }
    say("cancelled %d cleaned %u reached %u\n", cancelled, cleaned, reached);
    return 0;
}
