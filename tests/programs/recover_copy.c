/* The load overwrites its own base, but what the base was computed from is still there. */
#include "recover.h"

/* expect copied: rdi=0x1000 -> 0x1008 exact load */
/* expect computed: rdi=0x1000 rdx=3 -> 0x101c exact load */
/* expect chained: rsi=0x2000 r9=2 -> 0x2020 exact load */
/* expect extended: rdi=0x1000 rsi=5 -> 0x1014 exact load */
/* clang-format off */
FUNCTION(copies,
    "mov %rdi, %rax\n"
    "mov 8(%rax), %rax\n" MARK(copied)
    "lea 4(%rdi,%rdx,8), %rax\n"
    "movslq (%rax), %rax\n" MARK(computed)
    "mov %r9, %rcx\n"
    "shl $4, %rcx\n"
    "add %rsi, %rcx\n"
    "mov (%rcx), %rcx\n" MARK(chained)
    "movslq %esi, %rax\n"
    "mov (%rdi,%rax,4), %eax\n" MARK(extended));
/* clang-format on */

int main(void) {
    return 0;
}
