/* A library that allocates: built twice, with different FRAMES, so that its code lies elsewhere in it. */
#include <stdlib.h>

#ifdef SECOND
__attribute__((used)) static const char room[8192] = "moves the code";
__attribute__((used, noinline)) static int other(int x) {
    return x * room[0];
}
#endif

void *plugin_allocate(size_t size);

void *plugin_allocate(size_t size) {
    void *volatile block = malloc(size);
    return block;
}
