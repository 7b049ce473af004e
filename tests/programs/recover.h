/* recover.h - code whose every instruction is known, for the tests of address recovery.
 *
 * FUNCTION(name, code) is a function made of these instructions; MARK(name) names the next one, as a data
 * symbol, so that it does not pass for a function's start. Each program says beside a mark what a sample on
 * it must give: expect MARK: rdi=0x1000 rcx=3 -> 0x1018 exact load registers as they are sampled, the address
 * (a number, symbol+number, or none), confidence, access, and the hint if there is one.
 */
#ifndef RECOVER_H
#define RECOVER_H

#define MARK(name) ".type " #name ",@object\n" #name ":\n"
#define FUNCTION(name, code)                                                                                 \
    __asm__(".text\n.globl " #name "\n.type " #name ",@function\n.p2align 4\n" #name                         \
            ":\n.cfi_startproc\n" code "ret\n.cfi_endproc\n.size " #name ",.-" #name "\n")

#endif
