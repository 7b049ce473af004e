/* Four threads hand blocks to one another's free: what one makes, the next releases. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, BLOCKS = 5000, SLOTS = 64, BYTES = 5000 };

static char *slots[SLOTS];

static void *work(void *argument) {
    unsigned at = (unsigned)(size_t)argument * 17;
    for (int i = 0; i < BLOCKS; i++) {
        char *block = malloc(BYTES + (size_t)i % 3);
        block[0] = block[BYTES - 1] = (char)i;
        free(__atomic_exchange_n(&slots[at++ % SLOTS], block, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SLOTS; i++)
        free(slots[i]);
    return 0;
}
