/* Hazard: 10 000 threads, one after the other. What is kept for each must go with it.
 * Sanitized: no, the sanitizers keep what threads leave
 */
#include "hazard.h"

#include <pthread.h>

enum { THREADS = 10000 };

static void *make(void *before) {
    free(before);
    unsigned char *memory = malloc(16 * KIB);
    memory[0] = memory[16 * KIB - 1] = 1;
    return memory;
}

static long resident_kib(void) {
    long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &all, &pages) != 2) pages = 0;
    if (file != NULL) fclose(file);
    return pages * 4;
}

int main(void) {
    pthread_attr_t small;
    pthread_t thread;
    void *memory = NULL;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * KIB);
    long start = 0;
    for (int i = 0; i < THREADS; i++) {
        if (i == 100) start = resident_kib();
        if (pthread_create(&thread, &small, make, memory) != 0) return 1;
        pthread_join(thread, &memory);
    }
    say("threads %d, grown by less than 8 MiB %d\n", THREADS, resident_kib() - start < 8 * 1024);
    free(memory);
    return 0;
}
