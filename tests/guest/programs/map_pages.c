/* Hazard: the program maps memory itself, unmaps the middle, and makes the rest larger. */
#include "pages.h"

#include <sys/mman.h>

enum { MAP_BYTES = 6 << 20, THIRD = MAP_BYTES / 3 };

int main(void) {
    unsigned char *map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return 2;
    memset(map, 5, MAP_BYTES);
    print_pages("whole", map, MAP_BYTES);
    if (munmap(map + THIRD, THIRD) != 0) return 2;
    print_pages("start", map, THIRD);
    int good = holds(map, THIRD, 5) && holds(map + 2 * THIRD, THIRD, 5);
    unsigned char *larger = mremap(map + 2 * THIRD, THIRD, MAP_BYTES, MREMAP_MAYMOVE);
    if (larger == MAP_FAILED) return 2;
    good &= holds(larger, THIRD, 5);
    memset(larger, 6, MAP_BYTES);
    print_pages("larger", larger, MAP_BYTES);
    return say_content(good && holds(larger, MAP_BYTES, 6));
}
