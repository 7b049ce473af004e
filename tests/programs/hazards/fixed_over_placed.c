/* Hazard: MAP_FIXED over parts of a placed mapping, and over pages of malloc's, which are then freed as ever.
 * What was mapped must neither be lost before nor be handed out again after. */
#include "hazard.h"

#include <fcntl.h>
#include <sys/mman.h>

static const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

static int shared_file(void) {
    int fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600);
    unsigned char *memory = take(64 * KIB, 5);
    if (write(fd, memory, 64 * KIB) != (ssize_t)(64 * KIB)) _exit(9);
    free(memory);
    return fd;
}

int main(void) {
    int fd = shared_file();
    unsigned char *pages = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, anonymous, -1, 0);
    fill(pages, 4 * MIB, 1);
    unsigned char *inside = mmap(pages + MIB, MIB, PROT_READ | PROT_WRITE, anonymous | MAP_FIXED, -1, 0);
    say("fresh %zu below %zu\n", zeroes(inside, MIB), intact(pages, MIB, 1));
    inside = mmap(pages + 2 * MIB, 64 * KIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    say("file %zu\n", intact(inside, 64 * KIB, 5));
    say("refused %d\n",
        mmap(pages, MIB, PROT_READ, anonymous | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    munmap(pages, 4 * MIB);
    unsigned char *memory = aligned_alloc(PAGE, 3 * MIB);
    fill(memory, 3 * MIB, 2);
    inside = mmap(memory + MIB, 64 * KIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    say("in malloc's %zu beside %zu\n", intact(inside, 64 * KIB, 5), intact(memory, MIB, 2));
    free(memory);
    for (unsigned i = 0; i < 4; i++) {
        unsigned char *next = take(3 * MIB, 6 + i), zeroed = 1;
        free(next);
        next = calloc(3, MIB);
        zeroed = zeroes(next, 3 * MIB) == 3 * MIB;
        say("next %d\n", zeroed);
        fill(next, 3 * MIB, 8);
        free(next);
    }
    unsigned char *file = mmap(NULL, 64 * KIB, PROT_READ, MAP_SHARED, fd, 0);
    say("file %zu\n", intact(file, 64 * KIB, 5));
    return 0;
}
