/* Hazard: mappings of the program's own go to a tier in place: what it relies on must stay true. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { BYTES = 4 << 20 };

int main(void) {
    char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 1, BYTES);
    madvise(memory, BYTES / 2, MADV_DONTNEED);
    int zeroes = memory[0] == 0 && memory[BYTES / 2 - 1] == 0, kept = memory[BYTES / 2] == 1;
    munmap(memory + BYTES / 4, BYTES / 4); /* a hole */
    kept &= memory[BYTES - 1] == 1;
    munmap(memory, BYTES);
    printf("zeroes %d kept %d\n", zeroes, kept);
    return 0;
}
