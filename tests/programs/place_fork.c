/* Hazard: fork with objects in file-backed memory, which parent and child would share. Each must see only its
 * own writes: in objects from before the fork, in memory that was free then, and in what both allocate
 * afterwards. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OBJECTS = 6, NEW = 300, NEW_BYTES = 64 << 10, FREED_BYTES = 3 << 20 };
static const size_t sizes[OBJECTS] = {4096, 8192, 100000, 1 << 20, 2 << 20, 5 << 20};
static unsigned char *objects[OBJECTS], *news[NEW], *again;
static int to_other, from_other;

static int holds(const unsigned char *memory, size_t size, unsigned char value) {
    for (size_t at = 0; at < size; at++)
        if (memory[at] != value) return 0;
    return 1;
}

static int all_hold(unsigned char value) {
    int good = 1;
    for (int i = 0; i < OBJECTS; i++)
        good &= holds(objects[i], sizes[i], value);
    return good;
}

static void fill(unsigned char value) {
    for (int i = 0; i < OBJECTS; i++)
        memset(objects[i], value, sizes[i]);
}

/* Both processes have come here. */
static void meet(void) {
    char token = 'x';
    if (write(to_other, &token, 1) != 1 || read(from_other, &token, 1) != 1) _exit(9);
}

/* 0, or at which step something of the other's was seen. */
static int live(unsigned char mark) {
    meet();
    if (!all_hold(1)) return 1;
    meet();
    fill(mark);
    again = memset(malloc(FREED_BYTES), mark, FREED_BYTES);
    for (int i = 0; i < NEW; i++)
        news[i] = memset(malloc(NEW_BYTES), mark, NEW_BYTES);
    meet();
    if (!all_hold(mark)) return 2;
    if (!holds(again, FREED_BYTES, mark)) return 3;
    for (int i = 0; i < NEW; i++)
        if (!holds(news[i], NEW_BYTES, mark)) return 4;
    meet();
    for (int i = 0; i < OBJECTS; i++)
        free(objects[i]);
    for (int i = 0; i < NEW; i++)
        free(news[i]);
    return 0;
}

int main(void) {
    int down[2], up[2], status = -1;
    alarm(30);
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = malloc(sizes[i]);
    fill(1);
    free(memset(malloc(FREED_BYTES), 9, FREED_BYTES));
    if (pipe(down) != 0 || pipe(up) != 0) return 1;
    pid_t pid = fork();
    to_other = pid == 0 ? up[1] : down[1];
    from_other = pid == 0 ? down[0] : up[0];
    int failed = live(pid == 0 ? 3 : 2);
    if (pid == 0) _exit(failed);
    waitpid(pid, &status, 0);
    printf("child %d parent %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, failed);
    return 0;
}
