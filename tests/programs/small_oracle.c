/* Does to blocks what standard input says, a line each, and prints at the end how large each is and the sum
 * of its bytes: m SLOT BYTES, c SLOT BYTES (calloc), a SLOT BYTES ALIGN, r SLOT BYTES, f SLOT, t SLOT (freed
 * by another thread). A block is filled with its own byte, from where realloc kept nothing.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 64 };

static unsigned char *blocks[SLOTS];
static size_t sizes[SLOTS];

static void *release(void *block) {
    free(block);
    return NULL;
}

static void put(unsigned slot, unsigned char *block, size_t kept, size_t size, unsigned fill) {
    blocks[slot] = block;
    sizes[slot] = size;
    if (block == NULL || malloc_usable_size(block) < size || (uintptr_t)block % 16 != 0) abort();
    memset(block + kept, (int)(fill & 0xff), size - kept);
}

/* noinline: every kind of allocation has a site of its own. */
static __attribute__((noinline)) unsigned char *make(char kind, size_t size, size_t align) {
    void *block = NULL;
    if (kind == 'm') return malloc(size);
    if (kind == 'a') return posix_memalign(&block, align, size) == 0 ? block : NULL;
    unsigned char *zeroed = calloc(1, size);
    for (size_t i = 0; i < size; i++)
        if (zeroed[i] != 0) abort();
    return zeroed;
}

int main(void) {
    char kind;
    unsigned slot, size, align = 0, fill = 0;
    pthread_t thread;
    while (scanf(" %c %u", &kind, &slot) == 2) {
        fill++;
        if ((kind == 'f' || kind == 't') && blocks[slot] != NULL) {
            if (kind == 'f') free(blocks[slot]);
            if (kind == 't') pthread_create(&thread, NULL, release, blocks[slot]), pthread_join(thread, NULL);
            blocks[slot] = NULL;
        }
        if (strchr("mcar", kind) == NULL || scanf("%u", &size) != 1) continue;
        if (kind == 'a' && scanf("%u", &align) != 1) abort();
        if (kind == 'r') {
            size_t kept = blocks[slot] == NULL ? 0 : sizes[slot] < size ? sizes[slot] : size;
            put(slot, realloc(blocks[slot], size), kept, size, fill);
        } else {
            free(blocks[slot]);
            put(slot, make(kind, size, align), 0, size, fill);
            if (kind == 'a' && (uintptr_t)blocks[slot] % align != 0) abort();
        }
    }
    for (slot = 0; slot < SLOTS; slot++) {
        unsigned long sum = 0;
        for (size_t i = 0; blocks[slot] != NULL && i < sizes[slot]; i++)
            sum = sum * 31 + blocks[slot][i];
        if (blocks[slot] != NULL) printf("%u %zu %lu\n", slot, sizes[slot], sum % 1000000007);
    }
    return 0;
}
