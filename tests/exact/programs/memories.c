/* Reads and writes known amounts of memory of every kind that no allocation covers. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORDS = 4096 };

static uint64_t zeroed[WORDS], given[WORDS] = {1};

__attribute__((noinline)) void touch(volatile uint64_t *words) {
    for (int i = 0; i < WORDS; i++)
        words[i] = 1;
}

static void *in_thread(void *argument) {
    volatile uint64_t stack[WORDS];
    uint64_t *arena = malloc(WORDS * 8); /* a thread's own heap */
    touch(stack);
    touch(arena);
    free(arena);
    return NULL;
}

int main(void) {
    volatile uint64_t stack[WORDS];
    pthread_t thread;
    uint64_t *heap = malloc(WORDS * 8);
    uint64_t *mapped = (uint64_t *)syscall(SYS_mmap, NULL, WORDS * 8, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    touch(zeroed);
    touch(given);
    touch(stack);
    touch(heap);
    touch(mapped);
    touch(mapped);
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    return 0;
}
