/* Brings its own malloc, as programs with jemalloc linked in do. */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

static _Alignas(16) char arena[1 << 20];
static size_t used;

void *malloc(size_t size) {
    size_t at = __atomic_fetch_add(&used, (size + 31) & ~(size_t)15, __ATOMIC_RELAXED);
    return at + size < sizeof arena ? arena + at : NULL;
}

void free(void *address) {}
void *calloc(size_t count, size_t size) {
    return malloc(count * size);
}
void *realloc(void *old, size_t size) {
    void *block = malloc(size);
    return old != NULL && block != NULL ? memmove(block, old, size) : block;
}

int main(void) {
    void *volatile block = malloc(100000);
    memset(block, 1, 100000);
    free(block);
    void *map = mmap(NULL, 200704, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return munmap(map, 200704);
}
