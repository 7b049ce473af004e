/* Hazard: another process reads and writes placed memory by process_vm_readv, and the process its own by
 * /proc/self/mem, protected pages included. */
#include "hazard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>

int main(void) {
    unsigned char *memory = aligned_alloc(PAGE, 300 * KIB), *other = malloc(300 * KIB);
    fill(memory, 300 * KIB, 1);
    pid_t parent = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    pid_t pid = fork();
    if (pid == 0) {
        struct iovec here = {other, 300 * KIB}, there = {memory, 300 * KIB};
        fill(memory, 300 * KIB, 9);
        if (process_vm_readv(parent, &here, 1, &there, 1, 0) != 300 * 1024) _exit(SKIPPED);
        int good = intact(other, 300 * KIB, 1) == 300 * KIB;
        fill(other, 300 * KIB, 2);
        _exit(good && process_vm_writev(parent, &here, 1, &there, 1, 0) == 300 * 1024 ? 3 : 4);
    }
    int ended = ending(pid);
    if (ended == SKIPPED) skip("processes may not read each other's memory here");
    say("child %d wrote %zu\n", ended, intact(memory, 300 * KIB, 2));
    int fd = open("/proc/self/mem", O_RDWR);
    say("read %zd", pread(fd, other, 300 * KIB, (off_t)(uintptr_t)memory));
    say(" %zu\n", intact(other, 300 * KIB, 2));
    mprotect(memory, 300 * KIB, PROT_NONE);
    memset(other, 0, 300 * KIB);
    say("protected %zd", pread(fd, other, 300 * KIB, (off_t)(uintptr_t)memory));
    say(" %zu\n", intact(other, 300 * KIB, 2));
    mprotect(memory, 300 * KIB, PROT_READ | PROT_WRITE);
    fill(other, 300 * KIB, 3);
    say("wrote %zd", pwrite(fd, other, 100 * KIB, (off_t)(uintptr_t)memory));
    say(" %zu\n", intact(memory, 100 * KIB, 3));
    free(memory);
    free(other);
    return 0;
}
