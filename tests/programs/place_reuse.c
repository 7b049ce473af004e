/* Hazard: a program that frees as much as it allocates, in ever other sizes, for longer than its tier would
 * last without giving anything back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MIB = 1 << 20, ROUNDS = 70, LARGEST = 7 };

static int check(char *memory, size_t size, int letter) {
    memset(memory, letter, size);
    return memory[0] == letter && memory[size - 1] == letter;
}

int main(void) {
    int good = 0;
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = (size_t)(1 + i % LARGEST) * MIB + (size_t)(i % 3) * 4096;
        char *object = malloc(size);
        good += check(object, size, 'a' + i % 26);
        free(object);
        char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        good += check(mapped, size, 'A' + i % 26);
        munmap(mapped, size);
    }
    printf("good %d\n", good);
    return 0;
}
