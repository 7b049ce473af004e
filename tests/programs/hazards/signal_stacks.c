/* Hazard: handlers on alternative stacks of malloc's, as small as may be, one of them for a stack overflow.
 */
#include "hazard.h"

#include <signal.h>
#include <sys/mman.h>
#include <setjmp.h>

static sigjmp_buf out;
static size_t good;

static void on_user(int number) {
    unsigned char *memory = take(100 * KIB, (unsigned)number);
    good += intact(memory, 100 * KIB, (unsigned)number);
    free(memory);
}

static void on_overflow(int number) {
    siglongjmp(out, number);
}

static int deeper(volatile char *above) {
    volatile char array[4096];
    array[0] = above == NULL ? 1 : above[0];
    return deeper(array) + array[0];
}

static unsigned char *use_stack(size_t size) {
    unsigned char *memory = malloc(size);
    stack_t stack = {.ss_sp = memory, .ss_size = size};
    if (sigaltstack(&stack, NULL) != 0) say("no stack of %zu: %s\n", size, strerrorname_np(errno));
    return memory;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_user, .sa_flags = SA_ONSTACK};
    unsigned char *stack = use_stack(16 * KIB);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 20; i++)
        raise(SIGUSR1);
    say("good %zu\n", good);
    action.sa_handler = on_overflow;
    sigaction(SIGSEGV, &action, NULL);
    for (volatile int i = 0; i < 2; i++)
        if (sigsetjmp(out, 1) == 0)
            say("%d\n", deeper(NULL));
        else
            say("overflow %d\n", i);
    unsigned char *other = use_stack(64 * KIB);
    free(stack);
    raise(SIGUSR1);
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    free(other);
    say("good %zu\n", good);
    return 0;
}
