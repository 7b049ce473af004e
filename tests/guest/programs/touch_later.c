/* An object of BYTES that nobody has touched yet. "touch" writes to it, "pages" says where its pages are. */
#include "live.h"
#include "pages.h"

static __attribute__((noinline)) unsigned char *make_object(size_t size) {
    return malloc(size);
}

int main(int argc, char **argv) {
    char word[16];
    if (argc != 2) return 2;
    size_t size = strtoull(argv[1], NULL, 10);
    unsigned char *object = make_object(size);
    say_ready();
    while (hear(word, sizeof word) && strcmp(word, "stop") != 0) {
        if (strcmp(word, "touch") == 0) memset(object, 9, size);
        print_pages("objects", object, size);
    }
    return say_content(holds(object, size, 9));
}
