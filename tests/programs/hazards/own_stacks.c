/* Hazard: contexts that run on stacks of malloc's, switch in the middle of work, allocate there, and are
 * freed by others. */
#include "hazard.h"

#include <ucontext.h>

enum { CONTEXTS = 8, STACK_BYTES = 128 * 1024 };

static ucontext_t back, contexts[CONTEXTS];
static size_t good;

static void run(int number) {
    unsigned seed = (unsigned)number;
    unsigned char *mine = take((seed + 1) * 30 * KIB, seed);
    char array[8 * 1024];
    fill(array, sizeof array, seed);
    for (int i = 0; i < 5; i++) {
        swapcontext(&contexts[number], &back);
        mine = realloc(mine, (seed + 2 + (unsigned)i) * 30 * KIB);
    }
    good += intact(mine, (seed + 1) * 30 * KIB, seed) == (seed + 1) * 30 * KIB;
    good += intact(array, sizeof array, seed) == sizeof array;
    free(mine);
}

int main(void) {
    unsigned char *stacks[CONTEXTS];
    for (int i = 0; i < CONTEXTS; i++) {
        getcontext(&contexts[i]);
        contexts[i].uc_stack.ss_sp = stacks[i] = malloc(STACK_BYTES);
        contexts[i].uc_stack.ss_size = STACK_BYTES;
        contexts[i].uc_link = &back;
        makecontext(&contexts[i], (void (*)(void))run, 1, i);
    }
    for (int round = 0; round < 6; round++)
        for (int i = 0; i < CONTEXTS; i++)
            swapcontext(&back, &contexts[i]);
    for (int i = 0; i < CONTEXTS; i++)
        free(stacks[i]);
    say("good %zu\n", good);
    return 0;
}
