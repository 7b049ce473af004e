/* Hazard: a program asks the kernel about its placed pages: mincore, msync, mprotect's errors, membarrier. */
#include "hazard.h"

#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>

int main(void) {
    enum { PAGES = 600 };
    unsigned char *memory = aligned_alloc(PAGE, PAGES * PAGE), core[PAGES], resident = 0;
    fill(memory, PAGES * PAGE, 1);
    int status = mincore(memory, PAGES * PAGE, core), n_resident = 0;
    for (int i = 0; i < PAGES; i++)
        n_resident += core[i] & 1;
    say("mincore %d resident %d\n", status, n_resident);
    say("msync %d %d\n", msync(memory, PAGES * PAGE, MS_SYNC), msync(memory, PAGE, MS_ASYNC));
    say("unaligned %d", mprotect(memory + 1, PAGE, PROT_READ));
    say(" %s\n", strerrorname_np(errno));
    say("nothing there %d", mincore((void *)PAGE, PAGE, &resident));
    say(" %s\n", strerrorname_np(errno));
    long barriers = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (barriers > 0 && barriers & MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
        say("barrier %ld\n", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    }
    say("intact %zu\n", intact(memory, PAGES * PAGE, 1));
    free(memory);
    return 0;
}
