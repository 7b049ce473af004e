/* Mappings that are cut, replaced, moved, of a file, and refused. Sizes in pages tell them apart. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, PROT = PROT_READ | PROT_WRITE, ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS };

int main(void) {
    char *hole = mmap(NULL, 10 * PAGE, PROT, ANONYMOUS, -1, 0);
    if (hole == MAP_FAILED || munmap(hole + 4 * PAGE, 2 * PAGE) != 0) return 1; /* a hole in the middle */
    if (munmap(hole, 10 * PAGE) != 0) return 2;                                 /* both rests at once */

    char *room = mmap(NULL, 20 * PAGE, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *fixed = mmap(room + 5 * PAGE, 7 * PAGE, PROT, ANONYMOUS | MAP_FIXED, -1, 0);
    if (fixed != room + 5 * PAGE || munmap(room, 20 * PAGE) != 0) return 3;

    int fd = open("/proc/self/exe", O_RDONLY);
    char *file = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (file == MAP_FAILED || munmap(file, 2 * PAGE) != 0) return 4;

    char *old = mmap(NULL, 11 * PAGE, PROT, ANONYMOUS, -1, 0);
    char *target = mmap(NULL, 13 * PAGE, PROT_NONE, ANONYMOUS, -1, 0);
    char *moved = mremap(old, 11 * PAGE, 13 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    if (moved != target || munmap(moved, 13 * PAGE) != 0) return 5;

    char *kept = mmap(NULL, 19 * PAGE, PROT, ANONYMOUS, -1, 0);
    if (munmap(kept + 1, PAGE) == 0) return 6;             /* refused: it lives on */
    if (munmap(kept + 17 * PAGE, 2 * PAGE) != 0) return 7; /* so that there is room behind it */
    kept[0] = 1;
    syscall(SYS_munmap, kept, 17 * PAGE); /* not hooked: it ends when something else is mapped there */
    char *there = mmap(kept, 19 * PAGE, PROT, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return there == kept ? 0 : 8;
}
