/* How control came to the sampled instruction: fused comparisons, jumps, loops, padding. */
#include "recover.h"

/* expect fell: rdi=0x1000 -> 0x1000 exact load */
/* expect jumped: rdi=0x1000 -> 0x1000 exact load */
/* expect padded: rsi=0x2000 -> 0x2000 exact load */
/* expect looped: r8=0x3000 r9=2 rdi=0x9000 -> 0x3010 exact load */
/* expect switched: rax=1 -> none none none branch */
/* clang-format off */
FUNCTION(compared,
    "cmp (%rdi), %rax\n"
    "jne 1f\n" MARK(fell)
    "add $1, %rbx\n"
    "ret\n"
    "1:\n" MARK(jumped)
    "add $1, %rcx\n");
FUNCTION(padding,
    "mov (%rsi), %rax\n"
    "nopw 0(%rax,%rax)\n" MARK(padded));
/* The way round the loop comes before the way into it. */
FUNCTION(loop,
    "mov (%rdi), %rcx\n"
    "1:\n" MARK(looped)
    "add $1, %rax\n"
    "cmp (%r8,%r9,8), %rax\n"
    "jne 1b\n");
FUNCTION(indirect,
    "notrack jmp *%rax\n" MARK(switched)
    "add $1, %rax\n");
/* clang-format on */

int main(void) {
    return 0;
}
