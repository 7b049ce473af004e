/* Hazard: programs that write all that malloc_usable_size tells them, which may be more than they asked for.
 */
#include "hazard.h"

#include <malloc.h>

int main(void) {
    size_t enough = 0, good = 0, count = 0;
    for (size_t size = 1; size < 3 * MIB; size = size * 3 + 1) {
        unsigned char *before = malloc(size), *after = malloc(size);
        size_t usable = malloc_usable_size(before), other = malloc_usable_size(after);
        enough += usable >= size && other >= size;
        fill(before, usable, 7);
        fill(after, other, 8);
        before = realloc(before, usable + 1);
        good += intact(before, usable, 7) == usable && intact(after, other, 8) == other;
        free(before);
        free(after);
        count++;
    }
    say("of %zu: enough %zu, intact %zu\n", count, enough, good);
    return 0;
}
