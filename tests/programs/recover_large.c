/* A function of more than 200 KB, decoded in windows that begin in the middle of it. */
#include "recover.h"

/* expect deep: rdi=0x1000 rcx=3 -> 0x1018 exact load */
/* clang-format off */
FUNCTION(large,
    ".rept 40000\n"
    "movabs $0x9090909090909090, %rax\n"
    ".endr\n"
    "mov (%rdi,%rcx,8), %rax\n" MARK(deep)
    ".rept 20000\n"
    "mov $0x1, %eax\n"
    ".endr\n");
/* clang-format on */

int main(void) {
    return 0;
}
