/* What waits without an access at its end: a value on its way, a mispredicted branch, arithmetic, another
 * thread. */
#include "recover.h"

/* expect needed: rdi=0x1000 rcx=2 -> 0x1010 base load */
/* expect steered: rdi=0x1000 -> 0x1000 base load branch */
/* expect arithmetic: rdi=0x1000 -> none none none */
/* expect guessed: rdi=0x1000 -> none none none branch */
/* expect spinning: rdi=0x1000 -> none none none runtime */
/* clang-format off */
FUNCTION(value,
    "movsd (%rdi,%rcx,8), %xmm1\n"
    "mulsd %xmm2, %xmm1\n"
    "addsd %xmm1, %xmm0\n" MARK(needed));
FUNCTION(steer,
    "cmpb $0, (%rdi)\n"
    "jne 1f\n"
    "ret\n"
    "1: add $1, %rcx\n" MARK(steered));
FUNCTION(plain,
    "xor %eax, %eax\n"
    "imul %rbx, %rcx\n"
    "imul %rcx, %rcx\n"
    "imul %rcx, %rcx\n"
    "imul %rcx, %rcx\n"
    "imul %rcx, %rcx\n" MARK(arithmetic));
FUNCTION(guess,
    "xor %eax, %eax\n"
    "test %rbx, %rbx\n"
    "jne 1f\n" MARK(guessed)
    "add $1, %rcx\n"
    "1:\n");
FUNCTION(spin,
    "1: pause\n"
    "mov (%rdi), %eax\n" MARK(spinning)
    "test %eax, %eax\n"
    "je 1b\n");
/* clang-format on */

int main(void) {
    return 0;
}
