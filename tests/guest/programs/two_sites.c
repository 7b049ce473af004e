/* Two sites of COUNT objects of BYTES each, all alive and written to; says where the pages of each site are,
 * and whether the content is still right. */
#include "pages.h"

enum { MOST = 256 };
static unsigned char *left[MOST], *right[MOST];

static __attribute__((noinline)) unsigned char *make_left(size_t size) {
    return memset(malloc(size), 0x11, size);
}

static __attribute__((noinline)) unsigned char *make_right(size_t size) {
    return memset(malloc(size), 0x22, size);
}

int main(int argc, char **argv) {
    if (argc != 3 || atoi(argv[1]) > MOST) return 2;
    int count = atoi(argv[1]), good = 1;
    size_t size = strtoull(argv[2], NULL, 10);
    struct census of_left = {0}, of_right = {0};
    for (int i = 0; i < count; i++) {
        left[i] = make_left(size);
        right[i] = make_right(size);
    }
    for (int i = 0; i < count; i++) {
        count_pages(left[i], size, &of_left);
        count_pages(right[i], size, &of_right);
        good &= holds(left[i], size, 0x11) && holds(right[i], size, 0x22);
    }
    print_census("left", &of_left);
    print_census("right", &of_right);
    return say_content(good);
}
