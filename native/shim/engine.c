/* engine.c - Valgrind's client requests, made by hand: the shim has nothing of Valgrind's in it. */
#include "engine.h"

#include "../exact/requests.h"
#include "../model/sim.h"

/* Valgrind looks for four rotations that together change nothing, and an exchange of a register with itself.
 * Number and arguments are six words at rax; the answer comes in rdx. */
static void tpi_request(uint64_t number, uint64_t first, uint64_t second, uint64_t third) {
#ifdef __x86_64__
    const volatile uint64_t words[6] = {number, first, second, third, 0, 0};
    uint64_t answer = 0;
    __asm__ volatile(
        "rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\txchgq %%rbx, %%rbx"
        : "+d"(answer)
        : "a"(&words[0])
        : "cc", "memory");
#endif
}

void tpi_engine_claim(uintptr_t address, size_t bytes, uint32_t site) {
    if (site < TPM_OBJECT_FIRST_PSEUDO) tpi_request(TP_REQUEST_CLAIM, address, bytes, site);
}

void tpi_engine_release(uintptr_t address, size_t bytes) {
    tpi_request(TP_REQUEST_RELEASE, address, bytes, 0);
}
