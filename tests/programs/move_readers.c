/* Hazard: threads that read an object while it moves. One counts up in every page; the others must never see
 * a count go back, nor the pattern around it change. Ends when standard input does. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READERS = 2, BYTES = 4 << 20, PAGE_WORDS = 512, PAGES = BYTES / 4096 };

static volatile uint64_t *words;
static int stop;
static uint64_t wrong;

static void *read_all(void *unused) {
    static __thread uint64_t seen[PAGES];
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        for (uint64_t page = 0; page < PAGES; page++) {
            volatile uint64_t *start = words + page * PAGE_WORDS;
            uint64_t count = start[0], at = 1 + count % (PAGE_WORDS - 1);
            int good = count >= seen[page] && start[at] == page * PAGE_WORDS + at;
            if (!good) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
            seen[page] = count;
        }
    }
    return unused;
}

static void *count_up(void *unused) {
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        for (uint64_t page = 0; page < PAGES; page++)
            words[page * PAGE_WORDS]++;
    return unused;
}

int main(void) {
    pthread_t threads[READERS + 1];
    char byte;
    words = malloc(BYTES);
    for (uint64_t i = 0; i < BYTES / sizeof *words; i++)
        words[i] = i % PAGE_WORDS == 0 ? 0 : i;
    for (int i = 0; i <= READERS; i++)
        pthread_create(&threads[i], NULL, i == READERS ? count_up : read_all, NULL);
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i <= READERS; i++)
        pthread_join(threads[i], NULL);
    printf("wrong %llu\n", (unsigned long long)wrong);
    return 0;
}
