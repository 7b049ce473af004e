/* Hazard: mprotect and mlock on memory from malloc: guard pages, write faults that a handler mends, locked
 * keys. */
#include "hazard.h"

#include <signal.h>
#include <sys/mman.h>

static unsigned char *pages;
static volatile sig_atomic_t faults;

static void on_fault(int number, siginfo_t *info, void *context) {
    uintptr_t at = (uintptr_t)info->si_addr & ~(PAGE - 1);
    if (at < (uintptr_t)pages || at >= (uintptr_t)pages + 2 * MIB) _exit(9);
    faults = faults + 1;
    mprotect((void *)at, PAGE, PROT_READ | PROT_WRITE);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    for (int round = 0; round < 3; round++) {
        pages = aligned_alloc(PAGE, 2 * MIB);
        fill(pages, 2 * MIB, 1);
        say("protect %d", mprotect(pages, 2 * MIB, round == 1 ? PROT_NONE : PROT_READ));
        for (size_t at = 0; at < 2 * MIB; at += 128 * KIB)
            pages[at + 5]++;
        say(" faults %d", (int)faults);
        mprotect(pages, 2 * MIB, PROT_READ | PROT_WRITE);
        say(" intact %zu\n", intact(pages, 2 * MIB, 1));
        say("lock %d", mlock(pages + PAGE, 8 * PAGE));
        say(" %d\n", munlock(pages, 2 * MIB));
        free(pages);
    }
    unsigned char *guarded = aligned_alloc(PAGE, 64 * KIB);
    mprotect(guarded, PAGE, PROT_NONE);
    mprotect(guarded + 15 * PAGE, PAGE, PROT_NONE);
    fill(guarded + PAGE, 14 * PAGE, 4);
    pid_t pid = fork();
    if (pid == 0) _exit(intact(guarded + PAGE, 14 * PAGE, 4) == 14 * PAGE ? 1 : 2);
    say("child %d", ending(pid));
    mprotect(guarded, 64 * KIB, PROT_READ | PROT_WRITE);
    say(" intact %zu\n", intact(guarded + PAGE, 14 * PAGE, 4));
    free(guarded);
    return 0;
}
