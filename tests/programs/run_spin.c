/* Computes in one loop between two labels until it has used a tenth of a second of CPU time in it; prints the
 * labels' addresses. Register R12 holds 0x7ee7 in the loop. */
#include <stdio.h>
#include <time.h>

extern char spin_start[], spin_end[];

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

__attribute__((noinline, noclone)) static void spin(void) {
    long n = 20000000;
    __asm__ volatile("mov $0x7ee7, %%r12\n"
                     ".globl spin_start\nspin_start:\n"
                     "1: dec %0\n jnz 1b\n"
                     ".globl spin_end\nspin_end:\n"
                     : "+r"(n)
                     :
                     : "r12", "cc");
}

int main(void) {
    while (cpu_s() < 0.1)
        spin();
    printf("%lx %lx\n", (unsigned long)spin_start, (unsigned long)spin_end);
    return 0;
}
