/* Hazard: pages that were freed are handed out again. They must still be the tier's, and zero where calloc
 * gives them.
 */
#include "pages.h"

int main(void) {
    static const size_t sizes[] = {64 << 10, 1 << 20, 4 << 20};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    struct census first = {0}, second = {0};
    int good = 1;
    for (int i = 0; i < SIZES; i++) {
        unsigned char *object = memset(malloc(sizes[i]), 0xff, sizes[i]);
        count_pages(object, sizes[i], &first);
        free(object);
    }
    for (int i = 0; i < SIZES; i++) {
        unsigned char *object = calloc(1, sizes[i]);
        good &= holds(object, sizes[i], 0);
        memset(object, 0x33, sizes[i]);
        count_pages(object, sizes[i], &second);
        free(object);
    }
    print_census("first", &first);
    print_census("second", &second);
    return say_content(good);
}
