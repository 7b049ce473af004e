/* Runs an instruction of AVX-512, which Valgrind 3.19 does not know. */
        .intel_syntax noprefix
        .globl main
        .type main, @function
main:
        xor eax, eax
        vpxorq zmm0, zmm0, zmm0
        ret
        .size main, . - main
        .section .note.GNU-stack, "", @progbits
