/* Hazard: an allocator linked into the program, which maps large pieces for objects of any size. What two
 * functions allocate lies in the same pieces. Prints how many objects are right. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { PIECE = 1 << 20, OBJECT = 100000, OBJECTS = 40 };
static char *piece, *piece_end;

static __attribute__((noinline)) void map_piece(size_t size) {
    piece = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    piece_end = piece + size;
}

__attribute__((noipa)) void *malloc(size_t size) {
    size = (size + 31) & ~(size_t)15;
    if (piece == NULL || size > (size_t)(piece_end - piece)) map_piece(size > PIECE ? size : PIECE);
    char *object = piece;
    piece += size;
    return object;
}

void free(void *address) {}
void *calloc(size_t count, size_t size) {
    return malloc(count * size);
}
void *realloc(void *old, size_t size) {
    void *block = malloc(size);
    return old != NULL ? memcpy(block, old, size) : block;
}

static __attribute__((noinline)) char *make_left(void) {
    char *volatile object = malloc(OBJECT);
    return memset(object, 'l', OBJECT);
}

static __attribute__((noinline)) char *make_right(void) {
    char *volatile object = malloc(OBJECT);
    return memset(object, 'r', OBJECT);
}

int main(void) {
    char *objects[OBJECTS];
    int right = 0;
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = i % 3 ? make_left() : make_right();
    for (int i = 0; i < OBJECTS; i++)
        right += objects[i][0] == (i % 3 ? 'l' : 'r') && objects[i][OBJECT - 1] == objects[i][0];
    printf("right %d\n", right);
    return 0;
}
