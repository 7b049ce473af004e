/* Says how many bytes of the file system at FOLDER are in use: at the start, with BYTES allocated and
 * written, and when they are freed again. */
#include "pages.h"

#include <sys/statvfs.h>

static void print_used(const char *name, const char *folder) {
    struct statvfs space;
    if (statvfs(folder, &space) != 0) exit(2);
    printf("%s used %llu\n", name, (unsigned long long)(space.f_blocks - space.f_bfree) * space.f_frsize);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    size_t size = strtoull(argv[2], NULL, 10);
    puts("begin"); /* the stream's buffer may take space, too, and does so once */
    print_used("before", argv[1]);
    unsigned char *object = memset(malloc(size), 7, size);
    print_used("during", argv[1]);
    int good = holds(object, size, 7);
    free(object);
    print_used("after", argv[1]);
    return say_content(good);
}
