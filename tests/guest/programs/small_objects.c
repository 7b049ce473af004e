/* Two sites of COUNT small objects each, made in turn: those of `left` have BYTES, those of `right` twice as
 * many. Says where the pages of each site are, and whether the content is right. Told "pages" it says so
 * again, told anything else it ends.
 */
#include "live.h"
#include "pages.h"

static unsigned char **left, **right;
static size_t count, size;

static __attribute__((noinline)) unsigned char *make_left(void) {
    return memset(malloc(size), 0x11, size);
}

static __attribute__((noinline)) unsigned char *make_right(void) {
    return memset(malloc(2 * size), 0x22, 2 * size);
}

static int all_hold(void) {
    int good = 1;
    for (size_t i = 0; i < count; i++)
        good &= holds(left[i], size, 0x11) && holds(right[i], 2 * size, 0x22);
    return good;
}

static void print_both(void) {
    print_objects("left", (void **)left, count, size);
    print_objects("right", (void **)right, count, 2 * size);
}

int main(int argc, char **argv) {
    char word[16];
    if (argc != 3) return 2;
    count = strtoull(argv[1], NULL, 10), size = strtoull(argv[2], NULL, 10);
    left = malloc(count * sizeof *left), right = malloc(count * sizeof *right);
    for (size_t i = 0; i < count; i++) {
        left[i] = make_left();
        right[i] = make_right();
    }
    print_both();
    say_ready();
    while (hear(word, sizeof word) && strcmp(word, "pages") == 0)
        print_both();
    int good = all_hold();
    for (size_t i = 0; i < count; i++) {
        free(left[i]);
        free(right[i]);
    }
    return say_content(good);
}
