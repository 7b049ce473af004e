/* Hazard: memory that parent and child are to share, beside memory that they are not to. */
#include "hazard.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

static void increment(unsigned *counter, unsigned *own) {
    for (int i = 0; i < 10000; i++) {
        __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
        own[i % 1000]++;
    }
}

int main(void) {
    unsigned *shared = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int segment = shmget(IPC_PRIVATE, 64 * KIB, IPC_CREAT | 0600);
    unsigned *system_v = shmat(segment, NULL, 0);
    shmctl(segment, IPC_RMID, NULL);
    unsigned *own = calloc(100000, sizeof *own);
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            increment(shared, own);
            increment(system_v, own + 1000);
            _exit(own[0] == 10 && own[1999] == 10 ? 0 : 1);
        }
    increment(shared, own);
    int failed = 0, status;
    while (wait(&status) > 0)
        failed += status != 0;
    say("shared %u and %u, own %u and %u, failed %d\n", shared[0], system_v[0], own[0], own[1999], failed);
    shmdt(system_v);
    free(own);
    return 0;
}
