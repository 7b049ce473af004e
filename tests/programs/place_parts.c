/* One object of BYTES from `make`, and where its pages are: runs of pages of one mapping, as
 * "START END FILE" with offsets in pages of 4 KiB, FILE "-" for memory of no file. With LOOPS as a second
 * argument so many are made, touched and freed before. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __attribute__((noinline)) char *make(size_t size) {
    char *object = calloc(1, size);
    __asm__ volatile("" : "+r"(object));
    return object;
}

static void print_run(uintptr_t start, uintptr_t end, uintptr_t object, size_t size, const char *file) {
    uintptr_t last = (object + size + 4095) & ~(uintptr_t)4095;
    if (start < object) start = object;
    if (end > last) end = last;
    if (start < end) printf("%zu %zu %s\n", (start - object) / 4096, (end - object) / 4096, file);
}

static void print_runs(uintptr_t object, size_t size) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], path[256];
    while (maps != NULL && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        path[0] = 0;
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %255s", &start, &end, path) < 2) continue;
        print_run(start, end, object, size, path[0] == '/' ? path : "-");
    }
    if (maps != NULL) fclose(maps);
}

int main(int argc, char **argv) {
    size_t size = strtoull(argv[1], NULL, 10), loops = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, wrong = 0;
    for (size_t i = 0; i <= loops; i++) {
        char *object = make(size);
        for (size_t at = 0; at < size; at += 4096) {
            wrong += object[at] != 0;
            object[at] = (char)(at >> 12);
        }
        for (size_t at = 0; at < size; at += 4096)
            wrong += object[at] != (char)(at >> 12);
        if (i == loops) print_runs((uintptr_t)object, size);
        free(object);
    }
    printf("wrong %zu\n", wrong);
    return wrong != 0;
}
