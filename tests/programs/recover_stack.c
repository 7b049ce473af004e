/* What is relative to the stack pointer, calls, returns, and a function's first instruction, which a call
 * comes before. */
#include "recover.h"

/* expect spilled: rsp=0x7000 -> 0x7018 exact load stack */
/* expect pushed: rsp=0x7000 -> 0x7000 exact store stack */
/* expect popped: rsp=0x7008 -> 0x7000 exact load stack */
/* expect returned: rsp=0x7000 -> 0x6ff8 exact load stack */
/* expect entered: rsp=0x7000 -> 0x7000 exact store stack */
/* clang-format off */
FUNCTION(callee,
    MARK(entered)
    "xor %eax, %eax\n");
FUNCTION(stacked,
    "mov 24(%rsp), %rax\n" MARK(spilled)
    "push %rbx\n" MARK(pushed)
    "pop %rbx\n" MARK(popped)
    "call callee\n" MARK(returned));
/* clang-format on */

int main(void) {
    return 0;
}
