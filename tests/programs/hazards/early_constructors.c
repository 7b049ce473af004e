/* Hazard: constructors that run before anybody else's, and what they allocated is used and freed to the end;
 * destructors that run after everybody else's allocate and free. */
#include "hazard.h"

static unsigned char *early, *resized;
static unsigned char *late;

__attribute__((constructor(101))) static void first(void) {
    early = take(500 * KIB, 1);
    resized = take(1000, 2);
}
__attribute__((constructor(102))) static void second(void) {
    resized = realloc(resized, 3 * MIB);
}
__attribute__((destructor(101))) static void last(void) {
    unsigned char *memory = take(70 * KIB, 4);
    say("last %zu %zu\n", intact(early, 500 * KIB, 1), intact(late, 90 * KIB, 3));
    free(early);
    free(late);
    free(memory);
}

int main(void) {
    late = take(90 * KIB, 3);
    say("main %zu %zu\n", intact(early, 500 * KIB, 1), intact(resized, 1000, 2));
    free(resized);
    return 0;
}
