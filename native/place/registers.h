/* registers.h - the registers of an interrupted thread by perf's numbers: the only code here that knows the
 * processor. */
#ifndef TP_REGISTERS_H
#define TP_REGISTERS_H

#include <stdint.h>
#include <ucontext.h>

#if defined(__x86_64__)

#define TPI_REGISTERS_KNOWN 1

static inline void tpi_pause(void) {
    __builtin_ia32_pause();
}

static inline uintptr_t tpi_context_ip(const ucontext_t *context) {
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

/* Of a system call that has just returned. */
static inline long tpi_context_result(const ucontext_t *context) {
    return (long)context->uc_mcontext.gregs[REG_RAX];
}

/* PERF_REG_X86_AX ... PERF_REG_X86_IP are 0 to 8, R8 to R15 are 16 to 23; the recipes are checked to name no
 * other. */
static inline uintptr_t tpi_context_register(const ucontext_t *context, int8_t number) {
    static const int8_t greg[24] = {
        REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
        REG_RIP, -1,      -1,      -1,      -1,      -1,      -1,      -1,
        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    };
    return (uintptr_t)context->uc_mcontext.gregs[greg[number]];
}

#else

#define TPI_REGISTERS_KNOWN 0

static inline void tpi_pause(void) {}
static inline uintptr_t tpi_context_ip(const ucontext_t *context) {
    return 0;
}
static inline long tpi_context_result(const ucontext_t *context) {
    return 0;
}
static inline uintptr_t tpi_context_register(const ucontext_t *context, int8_t number) {
    return 0;
}

#endif

#endif
