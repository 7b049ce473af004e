/* One million instructions in a loop of ten, each with a load: what is measured of it can be counted. */
        .intel_syntax noprefix
        .globl main
        .type main, @function
main:
        mov ecx, 100000
1:
        .rept 8
        mov rax, [rsp]
        .endr
        dec ecx
        jnz 1b
        xor eax, eax
        ret
        .size main, . - main
        .section .note.GNU-stack, "", @progbits
