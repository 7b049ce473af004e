/* Hazard: a program that moves the break for a heap of its own, beside malloc's. */
#include "hazard.h"

int main(void) {
    unsigned char *before = take(20 * KIB, 1);
    unsigned char *mine = sbrk(3 * (intptr_t)MIB);
    fill(mine, 3 * MIB, 2);
    unsigned char *after = take(20 * KIB, 3), *large = take(2 * MIB, 4), *smalls[300];
    for (unsigned i = 0; i < 300; i++)
        smalls[i] = take(i * 17 + 1, i);
    unsigned char *more = sbrk(200 * 1024);
    fill(more, 200 * KIB, 5);
    size_t good = 0;
    for (unsigned i = 0; i < 300; i++) {
        good += intact(smalls[i], i * 17 + 1, i) == i * 17 + 1;
        free(smalls[i]);
    }
    say("before %zu after %zu large %zu small %zu\n", intact(before, 20 * KIB, 1), intact(after, 20 * KIB, 3),
        intact(large, 2 * MIB, 4), good);
    say("mine %zu more %zu\n", intact(mine, 3 * MIB, 2), intact(more, 200 * KIB, 5));
    free(before);
    free(after);
    free(large);
    return 0;
}
