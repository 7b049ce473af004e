/* Allocates on stacks that are not the thread's own, and on the smallest one that a thread may have. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

static ucontext_t outside, inside;
static char coroutine_stack[64 * 1024], signal_stack[64 * 1024];

static void once(size_t bytes) {
    void *volatile block = malloc(bytes);
    free(block);
}

static void coroutine(void) {
    once(100000);
}
static void handler(int number) {
    once(200000);
}

static void *small_thread(void *argument) {
    once(300000);
    return NULL;
}

int main(void) {
    getcontext(&inside);
    inside.uc_stack.ss_sp = coroutine_stack;
    inside.uc_stack.ss_size = sizeof coroutine_stack;
    inside.uc_link = &outside;
    makecontext(&inside, coroutine, 0);
    swapcontext(&outside, &inside);

    stack_t other = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaltstack(&other, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);

    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    if (pthread_create(&thread, &attributes, small_thread, NULL) != 0) return 1;
    pthread_join(thread, NULL);
    return 0;
}
