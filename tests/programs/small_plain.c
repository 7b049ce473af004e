/* Two call paths with one height of the stack and the same two innermost return addresses allocate in turn,
 * and resize every other block. Prints how many blocks of each lie in files of the folder that is given.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 500, BYTES = 8192 };

static char *blocks[2][NUMBER];

static __attribute__((noinline, noclone)) char *make(void) {
    char *block = malloc(BYTES);
    memset(block, 7, BYTES);
    return block;
}

static __attribute__((noinline, noclone)) char *middle(void) {
    char *block = make();
    __asm__ volatile("");
    return block;
}

static __attribute__((noinline, noclone)) void left(int i) {
    blocks[0][i] = middle();
    __asm__ volatile("");
}

static __attribute__((noinline, noclone)) void right(int i) {
    blocks[1][i] = middle();
    __asm__ volatile("");
}

static int in_folder(const char *folder, const char *block) {
    char line[512];
    uintptr_t start, end;
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (!found && fgets(line, sizeof line, maps) != NULL)
        found = sscanf(line, "%lx-%lx", &start, &end) == 2 && (uintptr_t)block >= start &&
                (uintptr_t)block < end && strstr(line, folder) != NULL;
    fclose(maps);
    return found;
}

int main(int count, char **words) {
    int found[2] = {0, 0};
    for (int i = 0; i < NUMBER; i++) {
        left(i);
        right(i);
    }
    for (int i = 0; i < NUMBER; i++)
        for (int path = 0; path < 2; path++) {
            found[path] += count > 1 && in_folder(words[1], blocks[path][i]);
            if (i % 2 == 0) blocks[path][i] = realloc(blocks[path][i], 2 * BYTES);
            if (blocks[path][i][BYTES - 1] != 7) return 1;
            free(blocks[path][i]);
        }
    printf("%d %d\n", found[0], found[1]);
    return 0;
}
