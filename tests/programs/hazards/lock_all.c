/* Hazard: mlockall, for what is there and what comes, and its undoing. */
#include "hazard.h"

#include <sys/mman.h>

int main(void) {
    unsigned char *before = take(2 * MIB, 1);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) skip("memory may not be locked here");
    unsigned char *after = take(3 * MIB, 2), *small = take(9000, 3);
    after = realloc(after, 6 * MIB);
    say("before %zu after %zu small %zu\n", intact(before, 2 * MIB, 1), intact(after, 3 * MIB, 2),
        intact(small, 9000, 3));
    say("unlocked %d\n", munlockall());
    free(before);
    free(after);
    free(small);
    return 0;
}
