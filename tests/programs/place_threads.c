/* Hazard: four threads that allocate, resize and free all sizes, and hand objects to each other to be freed.
 * Every object is filled with its own mark and checked before it goes. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, SLOTS = 64, ROUNDS = 4000 };

struct object {
    unsigned char *bytes;
    size_t size;
    unsigned char mark;
};

static struct object shared[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int errors;

static void finish(struct object object) {
    int good = object.bytes == NULL ||
               (object.bytes[0] == object.mark && object.bytes[object.size / 2] == object.mark &&
                object.bytes[object.size - 1] == object.mark);
    if (!good) __atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
    free(object.bytes);
}

static void *work(void *argument) {
    uint64_t state = 1 + (uintptr_t)argument;
    for (int i = 0; i < ROUNDS; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t size = (size_t)4096 << (state >> 60) % 10;
        struct object mine = {NULL, size + (state >> 33) % size, (unsigned char)(state >> 24)};
        mine.bytes = malloc(mine.size);
        memset(mine.bytes, mine.mark, mine.size);
        if (i % 5 == 0) {
            mine.bytes = realloc(mine.bytes, 2 * mine.size);
            memset(mine.bytes + mine.size, mine.mark, mine.size);
            mine.size *= 2;
        }
        pthread_mutex_lock(&lock);
        struct object other = shared[(state >> 40) % SLOTS];
        shared[(state >> 40) % SLOTS] = mine;
        pthread_mutex_unlock(&lock);
        finish(other);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SLOTS; i++)
        finish(shared[i]);
    printf("errors %d\n", errors);
    return errors != 0;
}
