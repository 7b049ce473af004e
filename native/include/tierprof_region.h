/* tierprof_region.h - lets a program mark the part of it that `tierprof run --source exact --region marks`
 * measures: what lies between the two calls. They nest. Without tierprof they are a few instructions that do
 * nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TIERPROF_REGION_H
#define TIERPROF_REGION_H

#if defined(__x86_64__) && defined(__GNUC__)

/* Valgrind looks for four rotations that together change nothing, and an exchange of a register with itself;
 * what is asked for is in rax, the answer comes in rdx. */
static inline void tierprof_region_request(unsigned long number) {
    volatile unsigned long words[6] = {number, 0, 0, 0, 0, 0};
    unsigned long answer = 0;
    __asm__ volatile(
        "rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\txchgq %%rbx, %%rbx"
        : "+d"(answer)
        : "a"(&words[0])
        : "cc", "memory");
}

static inline void tierprof_region_begin(void) {
    tierprof_region_request(0x54500003ul);
}

static inline void tierprof_region_end(void) {
    tierprof_region_request(0x54500004ul);
}

#else

static inline void tierprof_region_begin(void) {}
static inline void tierprof_region_end(void) {}

#endif

#endif
