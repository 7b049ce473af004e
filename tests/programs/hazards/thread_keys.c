/* Hazard: destructors of thread keys allocate, in round after round, while the thread is being taken down. */
#include "hazard.h"

#include <pthread.h>

static pthread_key_t key;
static unsigned rounds, bad;

static void on_end(void *value) {
    unsigned char *memory = value;
    unsigned round = memory[0];
    bad += intact(memory, 40 * KIB, round) != 40 * KIB;
    free(memory);
    __atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
    free(take(200 * KIB, 1));
    if (round < 3) pthread_setspecific(key, take(40 * KIB, round + 1));
}

static void *run(void *nothing) {
    pthread_setspecific(key, take(40 * KIB, 0));
    return nothing;
}

int main(void) {
    pthread_t threads[8];
    pthread_key_create(&key, on_end);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, run, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    say("rounds %u bad %u\n", rounds, bad);
    return 0;
}
