/* Forks: parent and child write to memory that the parent allocated, and to memory of their own. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 8192 };

__attribute__((noinline)) static void touch(volatile uint64_t *words, int rounds) {
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < WORDS; i++)
            words[i] = 1;
}

__attribute__((noinline)) static uint64_t *make_inherited(void) {
    return malloc(WORDS * 8);
}

__attribute__((noinline)) static uint64_t *make_own(void) {
    return malloc(WORDS * 8);
}

int main(void) {
    volatile uint64_t *inherited = make_inherited();
    touch(inherited, 1);
    if (fork() == 0) {
        touch(inherited, 2);
        touch(make_own(), 3);
        _exit(0);
    }
    wait(NULL);
    touch(inherited, 4);
    return 0;
}
