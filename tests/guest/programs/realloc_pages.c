/* Hazard: one object grows and shrinks by realloc, across the size from which objects are placed. Its content
 * must stay, and its pages must be in the tier whenever it is large. */
#include "pages.h"

int main(void) {
    static const size_t sizes[] = {1 << 10, 64 << 10, 1 << 20, 8 << 20, 96 << 10, 512};
    unsigned char *object = NULL;
    size_t old = 0;
    int good = 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[32];
        object = realloc(object, sizes[i]);
        size_t kept = old < sizes[i] ? old : sizes[i];
        good &= object != NULL && holds(object, kept, (unsigned char)i);
        memset(object, (int)i + 1, sizes[i]);
        snprintf(name, sizeof name, "at%zu", sizes[i]);
        print_pages(name, object, sizes[i]);
        old = sizes[i];
    }
    free(object);
    return say_content(good);
}
