/* Hazard: fork while other threads are in the middle of malloc, free and mmap. The children allocate, fork in
 * their turn, and must find no lock held by a thread that they have not got.
 * Sanitized: no, the runtime of the sanitizers does not get through this by itself
 */
#include "hazard.h"

#include <pthread.h>
#include <sys/mman.h>

static volatile int stop;

static void *churn(void *seed) {
    unsigned n = (unsigned)(uintptr_t)seed;
    while (!stop) {
        n = n * 1103515245u + 12345u;
        size_t size = (n >> 8) % (300 * KIB) + 1;
        unsigned char *memory = malloc(size);
        memory[0] = memory[size - 1] = 1;
        void *pages = mmap(NULL, 32 * KIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        free(memory);
        munmap(pages, 32 * KIB);
    }
    return NULL;
}

static int child(const unsigned char *held) {
    unsigned char *mine = take(2 * MIB + 5, 4);
    pid_t pid = fork();
    if (pid == 0) _exit(intact(mine, 2 * MIB + 5, 4) == 2 * MIB + 5 ? 5 : 6);
    int good = ending(pid) == 5 && intact(held, 500 * KIB, 3) == 500 * KIB;
    free(mine);
    return good ? 0 : 1;
}

int main(void) {
    pthread_t threads[3];
    unsigned char *held = take(500 * KIB, 3);
    int failed = 0;
    alarm(50);
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, churn, (void *)i);
    for (int i = 0; i < 12; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(child(held));
        failed += ending(pid) != 0;
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    say("failed %d intact %zu\n", failed, intact(held, 500 * KIB, 3));
    return 0;
}
