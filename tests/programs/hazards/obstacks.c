/* Hazard: obstacks, whose chunks come from malloc, grow, move, and are given back in one go. */
#include "hazard.h"

#include <obstack.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free free

int main(void) {
    struct obstack stack;
    size_t good = 0;
    obstack_init(&stack);
    char *first = obstack_alloc(&stack, 10);
    for (unsigned round = 0; round < 5; round++) {
        unsigned char *objects[30];
        for (unsigned i = 0; i < 30; i++)
            objects[i] = fill(obstack_alloc(&stack, (int)(i * 1000 + 1)), i * 1000 + 1, i);
        for (int i = 0; i < 20000; i++)
            obstack_1grow(&stack, (char)i);
        char *grown = obstack_finish(&stack);
        for (unsigned i = 0; i < 30; i++)
            good += intact(objects[i], i * 1000 + 1, i) == i * 1000 + 1;
        for (int i = 0; i < 20000; i++)
            good += grown[i] == (char)i;
        obstack_free(&stack, objects[0]);
    }
    obstack_free(&stack, first);
    obstack_free(&stack, NULL);
    say("good %zu\n", good);
    return 0;
}
