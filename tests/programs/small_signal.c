/* A signal handler that interrupts malloc and free wherever they are allocates and frees small blocks itself:
 * what the main program made, and what it leaves to the main program. No real program may do so; the shim
 * must not be what breaks first. (The C library's own lock would hang: so the handler keeps off while it is
 * inside.)
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { SLOTS = 256, BYTES = 64, ROUNDS = 2000000 };

static char *volatile slots[SLOTS];
static volatile sig_atomic_t handled;

static void handle(int number) {
    static unsigned at;
    char *block = slots[++at % SLOTS];
    if (block == NULL) return;
    slots[at % SLOTS] = NULL;
    for (int i = 0; i < BYTES; i++)
        if (block[i] != block[0]) abort();
    free(block); /* of the slabs: no lock is waited for */
    handled++;
}

int main(void) {
    const struct itimerval often = {{0, 200}, {0, 200}};
    signal(SIGALRM, handle);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 0; i < ROUNDS || handled < 100; i++) {
        char *block = malloc(BYTES);
        memset(block, (int)(i & 0x7f), BYTES);
        char *volatile *slot = &slots[i % SLOTS];
        char *before = __atomic_exchange_n(slot, NULL, __ATOMIC_SEQ_CST);
        free(before);
        __atomic_store_n(slot, block, __ATOMIC_SEQ_CST);
    }
    return 0;
}
