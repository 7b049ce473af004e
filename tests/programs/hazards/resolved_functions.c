/* Hazard: indirect functions, whose resolvers run before relocation is finished, fill and sum placed memory.
 */
#include "hazard.h"

static uint64_t sum_plain(const unsigned char *memory, size_t size) {
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + memory[i];
    return sum;
}
static uint64_t (*resolve(void))(const unsigned char *, size_t) {
    return sum_plain;
}
static uint64_t sum(const unsigned char *memory, size_t size) __attribute__((ifunc("resolve")));

int main(void) {
    unsigned char *one = take(300 * KIB, 1), *other = malloc(300 * KIB);
    memcpy(other, one, 300 * KIB); /* the C library's are indirect, too */
    memmove(other + 1, other, 100 * KIB);
    say("%016lx %016lx %zu\n", sum(one, 300 * KIB), sum(other, 300 * KIB),
        strnlen((char *)one + 1, 300 * KIB));
    free(one);
    free(other);
    return 0;
}
