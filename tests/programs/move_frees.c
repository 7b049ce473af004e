/* Hazard: objects that are freed, made larger and smaller, and allocated anew while their site moves. Each is
 * filled with its own mark and checked before it goes. Ends when standard input does. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 3, SLOTS = 8, LEAST = 256 << 10 };

static int stop;
static long errors, rounds;

static int holds(const unsigned char *memory, size_t size, unsigned char mark) {
    for (size_t at = 0; at < size; at += 509)
        if (memory[at] != mark) return 0;
    return memory[size - 1] == mark;
}

static void *work(void *argument) {
    unsigned char *objects[SLOTS] = {NULL}, marks[SLOTS] = {0};
    size_t sizes[SLOTS] = {0};
    uint64_t state = 1 + (uintptr_t)argument;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        unsigned slot = state >> 61;
        size_t size = LEAST + (state >> 40) % (4 * LEAST), kept = size < sizes[slot] ? size : sizes[slot];
        if (objects[slot] != NULL && !holds(objects[slot], sizes[slot], marks[slot]))
            __atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
        if (state >> 60 & 1) {
            free(objects[slot]);
            objects[slot] = NULL;
            kept = 0;
        }
        objects[slot] = realloc(objects[slot], size);
        if (kept > 0 && !holds(objects[slot], kept, marks[slot]))
            __atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
        marks[slot] = (unsigned char)(state >> 24);
        sizes[slot] = size;
        memset(objects[slot], marks[slot], size);
        __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
    }
    for (int i = 0; i < SLOTS; i++)
        free(objects[i]);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    char byte;
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("errors %ld\n", errors);
    return rounds == 0;
}
