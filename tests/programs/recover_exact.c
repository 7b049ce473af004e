/* Operands whose registers are still what they were: loads, stores, read-modify-writes, every form of
 * address. */
#include "recover.h"

/* expect full: rdi=0x1000 rcx=3 -> 0x1028 exact load */
/* expect stored: r8=0x2000 rax=5 -> 0x1ff8 exact store */
/* expect updated: r15=0x3000 r14=0x10 -> 0x3010 exact update */
/* expect locked: rbx=0x4000 -> 0x4000 exact update */
/* expect scaled: rsi=0x100 -> 0x1800 exact load */
/* expect vector: r9=0x5000 -> 0x5040 exact load */
/* expect high: rax=0xffffffffffffff00 rdi=0x100 -> 0x20 exact load */
/* clang-format off */
FUNCTION(forms,
    "mov 16(%rdi,%rcx,8), %rax\n" MARK(full)
    "mov %rax, -8(%r8)\n" MARK(stored)
    "addl $1, (%r15,%r14)\n" MARK(updated)
    "lock xadd %eax, (%rbx)\n" MARK(locked)
    "movzbl 0x1000(,%rsi,8), %edx\n" MARK(scaled)
    "mulpd 64(%r9), %xmm0\n" MARK(vector)
    "mov 0x20(%rax,%rdi), %rdx\n" MARK(high));
/* clang-format on */

int main(void) {
    return 0;
}
