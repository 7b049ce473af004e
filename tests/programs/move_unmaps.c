/* Hazard: a mapping of the program's own whose middle part is unmapped, and mapped anew, while it moves. The
 * rest must keep its content. Ends when standard input does. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { BYTES = 4 << 20, THIRD = (BYTES / 3) & ~4095, ROUNDS = 20 };

static int holds(const unsigned char *memory, size_t size, unsigned char value) {
    for (size_t at = 0; at < size; at += 4096)
        if (memory[at] != value) return 0;
    return 1;
}

static void *map(void *address, size_t size) {
    return mmap(address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    int errors = 0;
    unsigned char *memory = NULL;
    puts("ready");
    fflush(stdout);
    for (int round = 0; round < ROUNDS || poll(&input, 1, 0) == 0; round++) {
        unsigned char mark = (unsigned char)(1 + round % 250);
        memory = map(NULL, BYTES);
        memset(memory, mark, BYTES);
        munmap(memory + THIRD, THIRD);
        errors += !holds(memory, THIRD, mark) || !holds(memory + 2 * THIRD, BYTES - 2 * THIRD, mark);
        memory[0] = memory[BYTES - 1] = mark;
        errors += !holds(memory, THIRD, mark);
        munmap(memory, BYTES);
    }
    printf("errors %d\n", errors);
    return 0;
}
