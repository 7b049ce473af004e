/* Hazard: threads with the smallest stacks, and with stacks of malloc's; whoever runs in the middle of their
 * malloc has little room. */
#include "hazard.h"

#include <limits.h>
#include <pthread.h>

static void *run(void *number) {
    unsigned seed = (unsigned)(uintptr_t)number;
    unsigned char *memory = take(20 * KIB + seed, seed);
    memory = realloc(memory, 300 * KIB);
    size_t good = intact(memory, 20 * KIB, seed);
    free(memory);
    return (void *)good;
}

int main(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    size_t good = 0, size = (size_t)PTHREAD_STACK_MIN;
    void *result, *stack = aligned_alloc(PAGE, 64 * KIB);
    for (uintptr_t i = 0; i < 20; i++) {
        pthread_attr_init(&attributes);
        if (i % 2)
            pthread_attr_setstack(&attributes, stack, 64 * KIB);
        else
            pthread_attr_setstacksize(&attributes, size);
        if (pthread_create(&thread, &attributes, run, (void *)i) != 0) return 1;
        pthread_join(thread, &result);
        good += (size_t)result == 20 * KIB;
    }
    free(stack);
    say("good %zu\n", good);
    return 0;
}
