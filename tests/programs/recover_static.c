/* Static data, straight and indexed, and thread-local data, whose address no sample tells. */
#include "recover.h"

long table[1000];

/* expect direct: rax=1 -> table+16 exact load static */
/* expect indexed: rdi=5 -> table+40 exact load */
/* expect local: rax=1 -> none exact load static */
/* clang-format off */
FUNCTION(statics,
    "mov table+16(%rip), %rax\n" MARK(direct)
    "lea table(%rip), %rax\n"
    "mov (%rax,%rdi,8), %rax\n" MARK(indexed)
    "mov %fs:0x28, %rax\n" MARK(local));
/* clang-format on */

int main(void) {
    return 0;
}
