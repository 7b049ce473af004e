/* A gather's indices are in a vector register, which no sample has: the base stands for the object. */
#include "recover.h"

/* expect gathered: rdi=0x1000 -> 0x1008 base load */
/* clang-format off */
FUNCTION(gathers,
    "vpgatherdd %ymm2, 8(%rdi,%ymm1,4), %ymm0\n" MARK(gathered));
/* clang-format on */

int main(void) {
    return 0;
}
