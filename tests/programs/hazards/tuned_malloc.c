/* Hazard: the C library's own calls about its heap: malloc_trim, mallopt, mallinfo2, malloc_info,
 * malloc_stats.
 * Sanitized: no, the sanitizers have a malloc of their own, without these
 */
#include "hazard.h"

#include <malloc.h>

int main(void) {
    unsigned char *held[50];
    size_t good = 0, size = 0;
    char *text = NULL;
    say("options %d %d %d %d\n", mallopt(M_MMAP_THRESHOLD, 32 * 1024), mallopt(M_TRIM_THRESHOLD, 1 << 20),
        mallopt(M_ARENA_MAX, 2), mallopt(M_PERTURB, 0x5a));
    for (unsigned i = 0; i < 50; i++)
        held[i] = take(i * 3000 + 10, i);
    struct mallinfo2 info = mallinfo2();
    say("info %d\n", info.arena + info.hblkhd > 0);
    FILE *file = open_memstream(&text, &size);
    say("told %d", malloc_info(0, file));
    fclose(file);
    say(" %d\n", size > 100 && strncmp(text, "<malloc", 7) == 0);
    free(text);
    for (unsigned i = 0; i < 50; i += 2)
        free(held[i]);
    say("trimmed %d\n", malloc_trim(0) >= 0);
    for (unsigned i = 1; i < 50; i += 2) {
        good += intact(held[i], i * 3000 + 10, i) == i * 3000 + 10;
        free(held[i]);
    }
    unsigned char *zeroed = calloc(100, KIB);
    say("good %zu zeroes %zu\n", good, zeroes(zeroed, 100 * KIB));
    free(zeroed);
    return 0;
}
