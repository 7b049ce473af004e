/* Loops of 10000 steps that wait for themselves in a known way, on memory that is in the first-level cache. Each is a
 * region of its own. What a step takes is written beside it, for a load of 5 cycles and 4 instructions a cycle. */
        .intel_syntax noprefix
        .text

        .macro LOOP name
        .globl \name
        .type \name, @function
        .p2align 6
\name:
        mov ecx, 10000
1:
        .endm

        .macro AGAIN name
        dec ecx
        jnz 1b
        ret
        .size \name, . - \name
        .endm

LOOP chase                      /* 5: each load's address is the last one's value */
        mov rdi, [rdi]
AGAIN chase

LOOP chase_scaled               /* 5: the address units add and shift for nothing */
        mov rax, [rdi + rax*8]
AGAIN chase_scaled

LOOP chase_and_add              /* 6 */
        mov rdi, [rdi]
        add rdi, rdx
AGAIN chase_and_add

LOOP independent                /* 1.5: 6 instructions */
        mov rax, [rdi]
        mov rdx, [rdi + 8]
        mov rsi, [rdi + 16]
        mov r8, [rdi + 24]
AGAIN independent

LOOP sum                        /* 1: the loads run ahead */
        add rax, [rdi]
AGAIN sum

LOOP multiply                   /* 3 */
        imul rax, rax
AGAIN multiply

LOOP divide                     /* 50: quotient and remainder of 1 by 1, both waited for */
        mov r8d, 1
        div r8
        div r8
AGAIN divide

LOOP float_sum                  /* 4 */
        addsd xmm0, [rdi]
AGAIN float_sum

LOOP float_multiply_add         /* 8 */
        mulsd xmm0, xmm1
        addsd xmm0, xmm2
AGAIN float_multiply_add

LOOP float_divide               /* 14 */
        divsd xmm0, xmm1
AGAIN float_divide

LOOP upper_part                 /* 1.25: what is left of the old register is nobody's business */
        movsd xmm0, [rdi]
        addsd xmm0, xmm1
        movsd [rdi + 8], xmm0
AGAIN upper_part

LOOP zeroed                     /* 1: xor makes it new */
        xor eax, eax
        add rax, [rdi]
AGAIN zeroed

LOOP count_bits                 /* 3 */
        popcnt rax, rax
AGAIN count_bits

LOOP stack_pointer              /* 1.5: pushes and pops wait for nothing */
        push rax
        push rdx
        pop rsi
        pop r8
AGAIN stack_pointer

        .globl main
        .type main, @function
main:
        push rbx
        .irp name, chase, chase_scaled, chase_and_add, independent, sum, multiply, divide, float_sum, float_multiply_add, \
                float_divide, upper_part, zeroed, count_bits, stack_pointer
        lea rdi, [rip + area]
        mov [rdi], rdi
        xor eax, eax
        xor edx, edx
        .ifc \name, chase_scaled
        mov [rdi], rax
        .endif
        call \name
        .endr
        xor eax, eax
        pop rbx
        ret
        .size main, . - main

        .bss
        .p2align 12
area:
        .zero 4096

        .section .note.GNU-stack, "", @progbits
