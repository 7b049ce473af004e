/* Hazard: memory that must not be replaced by a copy: locked, protected, in the C library's heap, or the
 * stack that the thread runs on. Says where each begins, and waits for the end of standard input. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { BYTES = 1 << 20, SMALL = 8 << 10 };

static ucontext_t outside, inside;

static void wait_for_end(void) {
    char byte;
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
}

int main(void) {
    char *locked = memset(malloc(BYTES), 1, BYTES);
    char *protected = memset(malloc(BYTES), 2, BYTES);
    char *small = memset(malloc(SMALL), 3, SMALL);
    char *stack = memset(malloc(BYTES), 4, BYTES);
    char *free_to_go = memset(malloc(BYTES), 5, BYTES);
    if (mlock(locked, BYTES) != 0) return 2;
    mprotect((char *)(((uintptr_t)protected + 4095) & ~(uintptr_t)4095), 4096, PROT_READ);
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = BYTES;
    inside.uc_link = &outside;
    makecontext(&inside, wait_for_end, 0);
    swapcontext(&outside, &inside);
    int good = locked[5] == 1 && protected[5] == 2 && small[5] == 3 && stack[5] == 4 && free_to_go[5] == 5;
    puts(good ? "good" : "bad");
    return 0;
}
