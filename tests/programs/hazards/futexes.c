/* Hazard: locks, conditions and semaphores that lie in placed memory, between threads and, where it is
 * shared, between processes; locks that their owner died with. */
#include "hazard.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    sem_t done;
    unsigned turn, total;
    char room[100000];
};

static void *take_turns(void *shared) {
    struct meeting *meeting = shared;
    for (unsigned i = 0; i < 300; i++) {
        pthread_mutex_lock(&meeting->lock);
        meeting->total++;
        meeting->turn ^= 1;
        pthread_cond_broadcast(&meeting->turned);
        pthread_mutex_unlock(&meeting->lock);
    }
    sem_post(&meeting->done);
    return NULL;
}

static void *die_with(void *lock) {
    pthread_mutex_lock(lock);
    return NULL;
}

int main(void) {
    struct meeting *meeting = calloc(1, sizeof *meeting);
    pthread_t threads[4];
    pthread_mutexattr_t robust;
    pthread_mutex_init(&meeting->lock, NULL);
    pthread_cond_init(&meeting->turned, NULL);
    sem_init(&meeting->done, 0, 0);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, take_turns, meeting);
    for (int i = 0; i < 4; i++)
        sem_wait(&meeting->done);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_t *lock = malloc(8 * KIB);
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(lock, &robust);
    pthread_create(&threads[0], NULL, die_with, lock);
    pthread_join(threads[0], NULL);
    say("total %u died %s\n", meeting->total, strerrorname_np(pthread_mutex_lock(lock)));
    free(lock);
    free(meeting);
    return 0;
}
