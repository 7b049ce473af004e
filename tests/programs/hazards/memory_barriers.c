/* Hazard: membarrier. One side of a handshake orders its accesses to placed memory by none but the compiler,
 * and relies on the other to make the kernel do it. */
#include "hazard.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>

enum { ROUNDS = 200 };

static volatile int *flags; /* 0: what the light side says, 1: what the heavy side says */
static pthread_barrier_t round_barrier;
static int saw_nothing[2];

static int membarrier(int command) {
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

static void *light_side(void *nothing) {
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&round_barrier);
        flags[0] = 1;
        __asm__ volatile("" ::: "memory");
        saw_nothing[0] = flags[256 * KIB / sizeof *flags] == 0;
        pthread_barrier_wait(&round_barrier);
    }
    return NULL;
}

int main(void) {
    pthread_t thread;
    int both = 0;
    flags = (volatile int *)(void *)take(300 * KIB, 1);
    if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0) skip("membarrier is not allowed here");
    pthread_barrier_init(&round_barrier, NULL, 2);
    pthread_create(&thread, NULL, light_side, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        flags[0] = flags[256 * KIB / sizeof *flags] = 0;
        pthread_barrier_wait(&round_barrier);
        flags[256 * KIB / sizeof *flags] = 1;
        if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0) say("refused\n");
        saw_nothing[1] = flags[0] == 0;
        pthread_barrier_wait(&round_barrier);
        both += saw_nothing[0] && saw_nothing[1];
    }
    pthread_join(thread, NULL);
    free((void *)flags);
    say("rounds %d, in which both saw nothing: %d\n", ROUNDS, both);
    return 0;
}
