/* Hazard: every advice of madvise, on memory from malloc and on mappings. Discarded pages read as zeroes,
 * those beside them are as they were. */
#include "hazard.h"

#include <sys/mman.h>

static const struct {
    int number, keeps;
    const char *name;
} advices[] = {
    {MADV_NORMAL, 1, "normal"},
    {MADV_RANDOM, 1, "random"},
    {MADV_SEQUENTIAL, 1, "sequential"},
    {MADV_WILLNEED, 1, "willneed"},
    {MADV_DONTNEED, 0, "dontneed"},
    {MADV_FREE, -1, "free"},
    {MADV_HUGEPAGE, 1, "hugepage"},
    {MADV_NOHUGEPAGE, 1, "nohugepage"},
    {MADV_DONTDUMP, 1, "dontdump"},
    {MADV_DODUMP, 1, "dodump"},
    {MADV_COLD, 1, "cold"},
    {MADV_PAGEOUT, 1, "pageout"},
    {MADV_REMOVE, 1, "remove"},
    {MADV_POPULATE_READ, 1, "populate"},
    {MADV_POPULATE_WRITE, 1, "populate for writing"},
    {MADV_DONTNEED, 0, "dontneed"},
    {1000, 1, "none that exists"},
};

/* Advises on the middle third. */
static void advise(unsigned char *memory, size_t size, int i) {
    size_t third = size / 3;
    fill(memory, size, 1);
    errno = 0;
    int status = madvise(memory + third, third, advices[i].number);
    size_t middle = intact(memory + third, third, (unsigned)(third * 7 + third / PAGE + 1));
    say(" %s%s", status == 0 ? "good" : strerrorname_np(errno),
        intact(memory, third, 1) == third ? "" : ", the first third has changed");
    if (advices[i].keeps == 1 && middle != third) say(", the middle has changed");
    if (advices[i].keeps == 0 && zeroes(memory + third, third) != third) say(", the middle is not zero");
    fill(memory + third, third, 5);
    if (intact(memory + third, third, 5) != third) say(", the middle is not to be written");
}

int main(void) {
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        void *small = NULL, *large = NULL;
        if (posix_memalign(&small, PAGE, 12 * PAGE) != 0 || posix_memalign(&large, PAGE, 3 * MIB) != 0)
            return 1;
        unsigned char *pages =
            mmap(NULL, 3 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        say("%s:", advices[i].name);
        advise(small, 12 * PAGE, (int)i);
        advise(large, 3 * MIB, (int)i);
        advise(pages, 3 * MIB, (int)i);
        say("\n");
        free(small);
        free(large);
        munmap(pages, 3 * MIB);
    }
    return 0;
}
