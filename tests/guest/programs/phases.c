/* An object of BYTES that a plan moves while the program runs: says where its pages are before and after each
 * of three allocations at another site, or, if a node is named, as soon as all are on that node.
 */
#include "pages.h"

static __attribute__((noinline)) unsigned char *make_moved(size_t size) {
    return memset(malloc(size), 0x44, size);
}

static __attribute__((noinline)) void *make_trigger(void) {
    return malloc(64 << 10);
}

static size_t pages_on(unsigned node, const void *object, size_t size) {
    struct census census = {0};
    count_pages(object, size, &census);
    return census.node[node];
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    size_t size = strtoull(argv[1], NULL, 10);
    unsigned char *moved = make_moved(size);
    void *triggers[3];
    alarm(300);
    print_pages("at0", moved, size);
    for (int i = 0; argc == 2 && i < 3; i++) {
        char name[16];
        triggers[i] = make_trigger();
        snprintf(name, sizeof name, "at%d", i + 1);
        print_pages(name, moved, size);
    }
    if (argc == 3) {
        while (pages_on((unsigned)atoi(argv[2]), moved, size) * PAGE_BYTES < size) {
        }
        print_pages("moved", moved, size);
    }
    for (int i = 0; argc == 2 && i < 3; i++)
        free(triggers[i]);
    return say_content(holds(moved, size, 0x44));
}
