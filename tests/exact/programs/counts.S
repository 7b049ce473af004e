/* Functions whose instructions, loads and stores anybody can count. main runs them all; a test measures one of them.
 * Every function is the region from its first instruction to its return, which is one instruction and one load. */
        .intel_syntax noprefix
        .text

        .macro FUNCTION name
        .globl \name
        .type \name, @function
        .p2align 4
\name:
        .endm

        .macro END name
        ret
        .size \name, . - \name
        .endm

FUNCTION nothing                /* 1 instruction, 1 load */
END nothing

callee:
        ret

FUNCTION loads                  /* of most of them nobody uses the value */
        mov rax, [rdi]
        movzx eax, byte ptr [rdi + 3]
        movsx rax, word ptr [rdi + 5]
        cmp dword ptr [rdi], 7
        test byte ptr [rdi], 1
        cmovz rax, [rdi + 8]
        imul rax, [rdi]
        add eax, [rdi + 16]
END loads

FUNCTION stores
        mov [rdi], rax
        mov byte ptr [rdi + 8], 7
        mov word ptr [rdi + 10], ax
        mov dword ptr [rdi + 12], 9
        setz byte ptr [rdi + 16]
END stores

FUNCTION updates                /* not locked: a load and a store each */
        add [rdi], rax
        inc dword ptr [rdi]
        neg byte ptr [rdi + 1]
        shl qword ptr [rdi], 3
        adc [rdi], rax
        btc dword ptr [rdi], 3
        mov rax, 1
        cmpxchg [rdi], rdx
        xadd [rdi], rdx
        and qword ptr [rdi], 0  /* stores the same whatever it loads */
        or dword ptr [rdi], -1
END updates

FUNCTION unused                 /* 7 loads that nobody uses */
        pop rax
        push rax
        pop rcx
        push rax
        lodsb
        lodsd
        mov rax, [rdi + 8]
        cmp [rdi], rax
        vmovaps ymm0, [rdi]
        movapd xmm0, [rdi]
        vxorps ymm0, ymm0, ymm0
        lea rax, [rdi]
        nop dword ptr [rdi]
        xor eax, eax
        xor ecx, ecx
END unused

FUNCTION locked                 /* a load and a store each, and a fence */
        lock add [rdi], rax
        lock inc dword ptr [rdi]
        xchg [rdi], rax
        lock xadd [rdi], rax
        mov rax, [rdi]
        lock cmpxchg [rdi], rdx /* swaps */
        lock bts dword ptr [rdi], 3
        xor eax, eax
        not rax
        lock cmpxchg [rdi], rdx /* does not */
        lock cmpxchg16b [rdi]
        lock or dword ptr [rsp - 64], 0
END locked

FUNCTION stack
        push rax
        push qword ptr [rdi]
        pop rax
        pop qword ptr [rdi]
        call callee
        enter 16, 0
        leave
        pushfq
        popfq
        sub rsp, 8
        add rsp, 8
END stack

FUNCTION calls
        lea rax, [rip + callee]
        call rax
        mov [rdi], rax
        call [rdi]
        lea rax, [rip + 1f]
        mov [rdi], rax
        jmp [rdi]
        ud2
1:
END calls

FUNCTION strings                /* once each */
        lea rsi, [rdi + 64]
        mov rax, rdi
        movsb
        movsq
        stosd
        lodsw
        scasb
        mov rdi, rax
END strings

FUNCTION copy_100               /* 100 repetitions of one instruction */
        lea rsi, [rdi + 512]
        mov ecx, 100
        rep movsb
END copy_100

FUNCTION copy_none
        lea rsi, [rdi + 512]
        xor ecx, ecx
        rep movsb
END copy_none

FUNCTION copy_entered           /* the block starts at the repeated instruction */
        lea rsi, [rdi + 512]
        mov ecx, 7
        jmp 1f
        ud2
1:
        rep movsb
END copy_entered

FUNCTION fill_50
        xor eax, eax
        mov ecx, 50
        rep stosq
END fill_50

FUNCTION compare_until          /* stops at the fourth byte */
        mov dword ptr [rdi], 0x04030201
        mov dword ptr [rdi + 64], 0x05030201
        lea rsi, [rdi + 64]
        mov ecx, 100
        repe cmpsb
END compare_until

FUNCTION scan_until             /* finds the third byte */
        mov dword ptr [rdi], 0x04030201
        mov eax, 3
        mov ecx, 100
        repne scasb
END scan_until

FUNCTION bits_of_registers      /* no memory but the return */
        bt rax, rdx
        bts rax, rdx
        btr eax, edx
        btc rax, rdx
        bt eax, 3
END bits_of_registers

FUNCTION bits_of_memory         /* 2 loads, 1 store */
        mov eax, 70
        bt [rdi], rax
        bts qword ptr [rdi], 5
END bits_of_memory

FUNCTION vectors_16
        movups xmm0, [rdi]
        movaps xmm1, [rdi]
        movups [rdi + 16], xmm0
        movaps [rdi + 32], xmm1
        paddd xmm0, [rdi]
        movhps xmm0, [rdi]
        movlps [rdi], xmm0
        movss xmm2, [rdi]
        movsd [rdi], xmm2
        cvtps2pd xmm3, [rdi]
        movddup xmm3, [rdi]
        pinsrw xmm3, [rdi], 2
        pshufd xmm4, [rdi], 0
END vectors_16

FUNCTION vectors_32             /* VEX may split them */
        vmovdqu ymm0, [rdi + 1]
        vmovdqu [rdi + 1], ymm0
        vmovaps ymm1, [rdi]
        vmovaps [rdi + 64], ymm1
        vaddps ymm2, ymm1, [rdi]
        vpaddd ymm2, ymm1, [rdi]
        vbroadcastf128 ymm3, [rdi]
        vpbroadcastd ymm3, [rdi]
        vpermq ymm3, [rdi], 7
        vextracti128 [rdi], ymm3, 1
        vpmovzxbd ymm4, [rdi]
        vzeroupper
END vectors_32

FUNCTION masked                 /* one each; the last two touch nothing */
        vpcmpeqd ymm1, ymm1, ymm1
        vmaskmovps ymm0, ymm1, [rdi]
        vmaskmovps [rdi], ymm1, ymm0
        vpmaskmovq xmm0, xmm1, [rdi]
        vpxor ymm1, ymm1, ymm1
        vmaskmovps ymm0, ymm1, [rdi]
        vmaskmovps [rdi], ymm1, ymm0
        vzeroupper
END masked

FUNCTION gathers                /* 8 + 4 + 2 loads */
        vpxor ymm2, ymm2, ymm2
        vpcmpeqd ymm1, ymm1, ymm1
        vpgatherdd ymm0, [rdi + ymm2*4], ymm1
        vpcmpeqd ymm1, ymm1, ymm1
        vgatherqpd ymm0, [rdi + ymm2*8], ymm1
        vpcmpeqd xmm1, xmm1, xmm1
        vpsrldq xmm1, xmm1, 8
        vpgatherdd xmm0, [rdi + xmm2*4], xmm1
        vzeroupper
END gathers

FUNCTION x87                    /* 4 loads, 4 stores */
        fld tbyte ptr [rdi]
        fstp tbyte ptr [rdi]
        fld qword ptr [rdi]
        fadd dword ptr [rdi]
        fistp qword ptr [rdi]
        fnstcw [rdi]
        fldcw [rdi]
        fnstsw [rdi + 8]
END x87

FUNCTION saved                  /* 2 loads, 2 stores of one area */
        fxsave [rdi]
        fxrstor [rdi]
        mov eax, 7
        xor edx, edx
        xsave [rdi]
        xrstor [rdi]
        stmxcsr [rdi + 4]
        ldmxcsr [rdi + 4]
END saved

FUNCTION non_temporal           /* 4 stores past the caches */
        movnti [rdi], rax
        movntdq [rdi + 16], xmm0
        movntps [rdi + 32], xmm0
        vmovntdq [rdi + 64], ymm0
        movntdqa xmm0, [rdi]
        sfence
        vzeroupper
END non_temporal

FUNCTION prefetches             /* no loads */
        prefetcht0 [rdi]
        prefetcht2 [rdi + rax*2 + 8]
        prefetchnta [rdi + 4096]
        prefetchw [rip + nothing]
        prefetcht0 fs:[0]
END prefetches

FUNCTION fences                 /* 3: sfence holds no load up */
        mfence
        lfence
        sfence
        mov r8, rbx
        xor eax, eax
        cpuid
        mov rbx, r8
END fences

FUNCTION loop_1000
        mov ecx, 1000
1:
        add rax, [rdi]
        dec ecx
        jnz 1b
END loop_1000

FUNCTION loop_of_many           /* longer than VEX's blocks */
        mov ecx, 10
1:
        .rept 100
        mov rax, [rdi]
        mov [rdi + 8], rax
        .endr
        dec ecx
        jnz 1b
END loop_of_many

FUNCTION forks_in_the_way       /* conditional jumps, taken and not */
        xor eax, eax
        jnz 1f
        mov rax, [rdi]
1:
        xor eax, eax
        jz 2f
        mov rax, [rdi]
2:
        mov [rdi], rax
        test rax, rax
        jz 3f
        test rdx, rdx
        jz 3f
        mov rax, [rdi]
3:
END forks_in_the_way

FUNCTION divides
        mov eax, 100
        xor edx, edx
        mov dword ptr [rdi], 7
        div dword ptr [rdi]
END divides

FUNCTION main
        push rbx
        push rbp
        mov rbp, rsp
        and rsp, -64
        .irp name, nothing, loads, stores, updates, unused, locked, stack, calls, strings, copy_100, copy_none, copy_entered, \
                fill_50, compare_until, scan_until, bits_of_registers, bits_of_memory, vectors_16, vectors_32, masked, \
                gathers, x87, saved, non_temporal, prefetches, fences, loop_1000, loop_of_many, forks_in_the_way, divides
        lea rdi, [rip + area]
        call \name
        .endr
        xor eax, eax
        mov rsp, rbp
        pop rbp
        pop rbx
        ret
        .size main, . - main

        .bss
        .p2align 12
area:
        .zero 8192

        .section .note.GNU-stack, "", @progbits
