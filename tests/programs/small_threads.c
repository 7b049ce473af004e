/* Blocks are made by two threads, handed on through a ring, and freed by two others; makers come and go. Each
 * block holds its own number from end to end, which whoever frees it checks.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { RING = 512, GENERATIONS = 20, EACH = 5000 };

static _Atomic(uint64_t *) ring[RING];
static atomic_int made_by, finished;

static void *make(void *unused) {
    unsigned seed = (unsigned)atomic_fetch_add(&made_by, 1) * 7919u + 1;
    for (int i = 0; i < EACH; i++) {
        size_t words = 2 + rand_r(&seed) % 60;
        uint64_t *block = malloc(words * sizeof *block);
        block[0] = words;
        for (size_t word = 1; word < words; word++)
            block[word] = (uintptr_t)block ^ words;
        uint64_t *before = atomic_exchange(&ring[rand_r(&seed) % RING], block);
        free(before); /* another maker's, perhaps */
    }
    return NULL;
}

static void *take(void *unused) {
    unsigned seed = 1;
    while (!atomic_load(&finished)) {
        uint64_t *block = atomic_exchange(&ring[rand_r(&seed) % RING], NULL);
        for (uint64_t word = 1; block != NULL && word < block[0]; word++)
            if (block[word] != ((uintptr_t)block ^ block[0])) abort();
        free(block);
    }
    return NULL;
}

int main(void) {
    pthread_t makers[2], takers[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&takers[i], NULL, take, NULL);
    for (int generation = 0; generation < GENERATIONS; generation++) {
        for (int i = 0; i < 2; i++)
            pthread_create(&makers[i], NULL, make, NULL);
        for (int i = 0; i < 2; i++)
            pthread_join(makers[i], NULL);
    }
    atomic_store(&finished, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(takers[i], NULL);
    return 0;
}
