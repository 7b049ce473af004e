/* What a load destroyed cannot be had: the base alone where the index is gone, the loaded pointer where the
 * base is, else nothing. */
#include "recover.h"

/* expect indexless: rdi=0x1000 rcx=0x99 -> 0x1010 base load */
/* expect swapped: rdi=0x1000 rcx=0x99 -> 0x1000 base load */
/* expect chased: rax=0x7000 -> 0x7000 chase load */
/* expect halved: rax=0x7000 rcx=1 -> none none load */
/* clang-format off */
FUNCTION(lost,
    "mov 16(%rdi,%rcx,8), %rcx\n" MARK(indexless)
    "mov (%rcx,%rdi), %rcx\n" MARK(swapped)
    "1: mov 24(%rax), %rax\n" MARK(chased)
    "test %rax, %rax\n"
    "jne 1b\n"
    "2: mov (%rax,%rcx,4), %eax\n" MARK(halved)
    "test %eax, %eax\n"
    "jne 2b\n");
/* clang-format on */

int main(void) {
    return 0;
}
