/* online_halves.c SECONDS - reads one of two arrays of 48 MiB at random until it lies in no file, then the
 * other one likewise; each for so many seconds at most. Prints how many of them have moved so, and what it
 * read.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORDS = 12 << 20, STEPS = 1 << 20 };

/* Is the memory mapped from a file? */
static int in_file(const void *address) {
    char line[512];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
        if ((unsigned long)address >= start && (unsigned long)address < end)
            found = strchr(line, '/') != NULL;
    }
    if (maps != NULL) fclose(maps);
    return found;
}

static uint32_t *fill(uint32_t *words) {
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = 1;
    return words;
}

/* Until the end of the array has moved, too. */
static __attribute__((noinline)) int read_until_moved(const uint32_t *words, time_t seconds,
                                                      uint32_t *least) {
    uint32_t state = 1;
    for (time_t end = time(NULL) + seconds; time(NULL) < end;) {
        for (int i = 0; i < STEPS; i++) {
            state = state * 1664525u + 1013904223u;
            uint32_t word = words[(state >> 8) % WORDS];
            *least = word < *least ? word : *least;
            state += word - 1;
        }
        if (!in_file(words) && !in_file(words + WORDS - 1)) return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    time_t seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    uint32_t least = 1;
    uint32_t *first = fill(malloc(WORDS * sizeof *first));
    uint32_t *second = fill(malloc(WORDS * sizeof *second));
    int moved = read_until_moved(first, seconds, &least);
    moved += read_until_moved(second, seconds, &least);
    printf("%d %u\n", moved, least);
    return 0;
}
