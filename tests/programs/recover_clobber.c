/* Address registers changed since: the sample comes after the first instruction that needs the value, and
 * changes are undone. */
#include "recover.h"

/* expect added: rdi=0x1008 -> 0x1000 base load */
/* expect subtracted: rdi=0x1000 -> 0x1010 base load */
/* expect counted: rdi=0x1000 rcx=4 -> 0x1018 base load */
/* expect down: rdi=0x1000 rcx=2 -> 0x1018 base load */
/* expect moved: rdi=0x1020 -> 0x1000 base load */
/* expect shifted: rdi=0x1000 rcx=24 -> 0x1018 base load */
/* expect single: rsi=0x1008 -> 0x1000 exact load */
/* clang-format off */
FUNCTION(undone,
    "mov (%rdi), %rax\n"
    "add $8, %rdi\n"
    "imul %rax, %rbx\n" MARK(added)
    "mov (%rdi), %rax\n"
    "sub $16, %rdi\n"
    "imul %rax, %rbx\n" MARK(subtracted)
    "mov (%rdi,%rcx,8), %rax\n"
    "inc %rcx\n"
    "imul %rax, %rbx\n" MARK(counted)
    "mov (%rdi,%rcx,8), %rax\n"
    "dec %rcx\n"
    "imul %rax, %rbx\n" MARK(down)
    "mov (%rdi), %rax\n"
    "lea 32(%rdi), %rdi\n"
    "imul %rax, %rbx\n" MARK(moved)
    "mov (%rdi,%rcx,8), %rax\n"
    "shl $3, %rcx\n"
    "imul %rax, %rbx\n" MARK(shifted)
    "lodsq\n" MARK(single));
/* clang-format on */

int main(void) {
    return 0;
}
