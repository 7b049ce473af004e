/* Hazard: threads that write to an object without a pause while it moves. Each increments counters of its
 * own, strewn over all pages; what is lost shows in the sum. Says "counted" after so many increments, and
 * ends when standard input does: threads, MiB, least increments a thread. Without threads the object is full
 * of ones, so that there is something to move. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_THREADS = 16, ROUND = 1 << 16 };

static volatile uint64_t *counters;
static uint64_t slots, threads, least;
static uint64_t done[MOST_THREADS];
static int stop;
static uint64_t reached;

__attribute__((noinline)) static uint64_t *make_counters(size_t bytes) {
    return calloc(1, bytes);
}

static void *work(void *argument) {
    uint64_t own = (uintptr_t)argument, state = own + 1, count = 0;
    while (count < least || !__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        for (int i = 0; i < ROUND; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            counters[((state >> 32) * (slots / threads) >> 32) * threads + own]++;
        }
        count += ROUND;
        if (count >= least && count - ROUND < least &&
            __atomic_add_fetch(&reached, 1, __ATOMIC_RELAXED) == threads) {
            puts("counted");
            fflush(stdout);
        }
    }
    done[own] = count;
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t started[MOST_THREADS];
    char byte;
    threads = strtoull(arguments[1], NULL, 10);
    size_t bytes = strtoull(arguments[2], NULL, 10) << 20;
    least = strtoull(arguments[3], NULL, 10);
    slots = bytes / sizeof *counters;
    counters = make_counters(bytes);
    for (uint64_t i = 0; i < slots && threads == 0; i++)
        counters[i] = 1;
    for (uintptr_t i = 0; i < threads; i++)
        pthread_create(&started[i], NULL, work, (void *)i);
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    uint64_t wanted = 0, found = 0;
    for (uint64_t i = 0; i < threads; i++) {
        pthread_join(started[i], NULL);
        wanted += done[i];
    }
    for (uint64_t i = 0; i < slots; i++)
        found += counters[i] - (threads == 0);
    printf("increments %llu lost %lld\n", (unsigned long long)wanted, (long long)(wanted - found));
    free((void *)counters);
    return count != 4;
}
