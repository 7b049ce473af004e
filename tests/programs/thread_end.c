/* Allocates in a thread's very last moments: in destructors of thread-specific data, which set it again each
 * round. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

static pthread_key_t key;

static void end(void *value) {
    void *volatile block = malloc(100000);
    free(block);
    if ((intptr_t)value > 1) pthread_setspecific(key, (void *)((intptr_t)value - 1));
}

static void *work(void *argument) {
    pthread_setspecific(key, (void *)3);
    return NULL;
}

int main(void) {
    pthread_t thread;
    pthread_key_create(&key, end);
    for (int i = 0; i < 10; i++) {
        pthread_create(&thread, NULL, work, NULL);
        pthread_join(thread, NULL);
    }
    return 0;
}
