/* Allocates in a function that is linked far from the rest, so that the program has gaps
 * (-Wl,--section-start=.far=...). */
#include <stdlib.h>

__attribute__((noinline, section(".far"))) static void far_away(void) {
    void *volatile block = malloc(100000);
    free(block);
}

int main(void) {
    far_away();
    return 0;
}
