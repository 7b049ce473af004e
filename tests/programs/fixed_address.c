/* Takes malloc's address: linked with -no-pie, the program has an entry for malloc in its own tables. */
#include <stdlib.h>

static void *(*volatile allocate)(size_t);

int main(void) {
    allocate = malloc;
    void *volatile block = allocate(100000);
    free(block);
    return 0;
}
