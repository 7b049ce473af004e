/* Hazard: RLIMIT_AS. What does not fit is refused with ENOMEM, and all else goes on. */
#include "hazard.h"

#include <sys/mman.h>
#include <sys/resource.h>

static size_t mapped_bytes(void) {
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%zu", &pages) != 1) _exit(9);
    fclose(file);
    return pages * PAGE;
}

int main(void) {
    size_t limit = mapped_bytes() + 1024 * MIB;
    unsigned char *held[20], *first = take(300 * KIB, 9);
    setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit});
    for (unsigned i = 0; i < 20; i++) {
        held[i] = malloc(8 * MIB);
        fill(held[i], PAGE, i);
    }
    errno = 0;
    void *volatile refused = malloc(2048 * MIB);
    say("malloc %d %s\n", refused == NULL, strerrorname_np(errno));
    errno = 0;
    unsigned char *same = realloc(held[0], 2048 * MIB);
    say("realloc %d %s intact %zu\n", same == NULL, strerrorname_np(errno), intact(held[0], PAGE, 0));
    void *pages = mmap(NULL, 2048 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    say("mmap %d %s\n", pages == MAP_FAILED, strerrorname_np(errno));
    size_t good = 0;
    for (unsigned i = 0; i < 20; i++) {
        good += intact(held[i], PAGE, i);
        free(held[i]);
    }
    unsigned char *again = take(100 * MIB / 64, 3);
    say("good %zu %zu first %zu\n", good, intact(again, 100 * MIB / 64, 3), intact(first, 300 * KIB, 9));
    free(again);
    free(first);
    return 0;
}
