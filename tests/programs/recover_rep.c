/* String instructions: while one repeats, samples stay on it and its registers walk; after it they stand
 * behind the last byte. */
#include "recover.h"

/* expect copying: rsi=0x1040 rdi=0x2040 -> 0x1040 exact load */
/* expect copied: rsi=0x1100 rdi=0x2100 -> 0x10ff exact load */
/* expect filling: rdi=0x3000 -> 0x3000 exact store */
/* clang-format off */
FUNCTION(strings,
    "xor %eax, %eax\n" MARK(copying)
    "rep movsb\n" MARK(copied)
    "xor %eax, %eax\n" MARK(filling)
    "rep stosq\n");
/* clang-format on */

int main(void) {
    return 0;
}
