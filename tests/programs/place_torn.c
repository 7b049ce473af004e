/* Hazard: a program unmaps pages of memory from malloc, maps others there, or moves them away, and frees the
 * rest. What has come to lie in the gap by then is the program's, or another object, and must outlive the
 * first: with the C library alone, which unmaps the whole block, it would not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, OTHERS = 64 };

static int wrong;

static void check(const unsigned char *at, size_t size, int letter, const char *what) {
    for (size_t i = 0; i < size; i++)
        if (at[i] != letter) {
            printf("%s: %d at %zu is not %d\n", what, at[i], i, letter);
            wrong++;
            return;
        }
}

static unsigned char *take(size_t size, int letter) {
    unsigned char *memory = aligned_alloc(PAGE, size);
    if (memory == NULL) exit(2);
    return memset(memory, letter, size);
}

/* What is allocated after the gap was made may lie in it, and must be there after the first object has gone.
 */
static void unmap_and_fill(size_t size, size_t from, size_t bytes) {
    unsigned char *torn = take(size, 'a'), *others[OTHERS];
    if (munmap(torn + from, bytes) != 0) wrong++;
    for (int i = 0; i < OTHERS; i++)
        others[i] = take(bytes, i + 1);
    check(torn, from, 'a', "before the gap");
    check(torn + from + bytes, size - from - bytes, 'a', "behind the gap");
    free(torn);
    unsigned char *next = take(size, 'b');
    for (int i = 0; i < OTHERS; i++) {
        check(others[i], bytes, i + 1, "in the gap");
        free(others[i]);
    }
    check(next, size, 'b', "next");
    free(next);
}

static void map_over(size_t size, size_t from, size_t bytes) {
    unsigned char *torn = take(size, 'c');
    unsigned char *own =
        mmap(torn + from, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    check(own, bytes, 0, "mapped over");
    memset(own, 'd', bytes);
    free(torn);
    for (int i = 0; i < 4; i++)
        free(take(size, 'e'));
    check(own, bytes, 'd', "still mapped");
    munmap(own, bytes);
}

static void move_away(size_t size, size_t from, size_t bytes) {
    unsigned char *torn = take(size, 'f');
    unsigned char *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *moved = mremap(torn + from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, room);
    if (moved != room) exit(3);
    free(torn);
    free(take(size, 'g'));
    check(moved, bytes, 'f', "moved");
    if (fork() == 0) {
        memset(moved, 'h', bytes);
        _exit(0);
    }
    wait(NULL);
    check(moved, bytes, 'f', "moved, after the child wrote");
    munmap(moved, bytes);
}

int main(void) {
    static const size_t sizes[] = {128 * PAGE, 1600 * PAGE};
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 2; i++) {
            size_t size = sizes[i],
                   parts[][2] = {{0, PAGE}, {4 * PAGE, 3 * PAGE}, {size - PAGE, PAGE}, {0, size}};
            for (int part = 0; part < 4; part++) {
                if (part > 0 && part < 3) /* an object at the same address would be freed instead */
                    unmap_and_fill(size, parts[part][0], parts[part][1]);
                map_over(size, parts[part][0], parts[part][1]);
                move_away(size, parts[part][0], parts[part][1]);
            }
        }
    printf("wrong %d\n", wrong);
    return 0;
}
