/* Threads that take turns at work of known size; what each does is its own. */
#include <pthread.h>
#include <stdint.h>

enum { THREADS = 4, WORDS = 50000 };

static volatile uint64_t words[WORDS];

static void *work(void *argument) {
    uint64_t sum = 0;
    for (long rounds = (long)argument; rounds > 0; rounds--)
        for (int i = 0; i < WORDS; i++)
            sum += words[i];
    return (void *)sum;
}

int main(void) {
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(i + 1));
    for (long i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
