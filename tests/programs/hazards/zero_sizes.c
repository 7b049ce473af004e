/* Hazard: sizes of zero, and NULL, wherever a size and an address may stand. Zero bytes are memory that can
 * be told from any other, and freed. */
#include "hazard.h"

#include <malloc.h>

int main(void) {
    void *volatile none = NULL;
    void *zero[4] = {malloc(0), calloc(0, 8), calloc(8, 0), realloc(none, 0)};
    void *aligned = (void *)1;
    say("posix_memalign %d", posix_memalign(&aligned, 64, 0));
    say(" usable %d\n", malloc_usable_size(none) == 0);
    for (int i = 0; i < 4; i++)
        for (int other = 0; other < i; other++)
            if (zero[i] == NULL || zero[i] == zero[other]) say("%d is not its own\n", i);
    for (int i = 0; i < 4; i++)
        free(zero[i]);
    free(aligned);
    free(none);
    unsigned char *memory = realloc(none, 64 * KIB);
    fill(memory, 64 * KIB, 5);
    say("intact %zu\n", intact(memory, 64 * KIB, 5));
    say("gone %d\n", realloc(memory, 0) == NULL);
    memory = reallocarray(none, 0, 8);
    say("none of eight %d\n", memory != NULL);
    free(memory);
    return 0;
}
