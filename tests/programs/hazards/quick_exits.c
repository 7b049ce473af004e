/* Hazard: quick_exit, whose own handlers run and no others, and they allocate.
 * Status: 5
 */
#include "hazard.h"

static unsigned char *memory;

static void never(void) {
    say("never\n");
}
static void quickly(void) {
    memory = realloc(memory, 3 * MIB);
    say("quickly %zu\n", intact(memory, 300 * KIB, 1));
    free(memory);
}

int main(void) {
    memory = take(300 * KIB, 1);
    atexit(never);
    at_quick_exit(quickly);
    quick_exit(5);
}
