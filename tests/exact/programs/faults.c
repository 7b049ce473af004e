/* Faults on purpose. `resume`: a handler opens the page and the access is done again; `die`: nobody handles
 * it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static char *page;

static void opened(int number, siginfo_t *info, void *context) {
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

int main(int count, char **arguments) {
    struct sigaction action = {.sa_sigaction = opened, .sa_flags = SA_SIGINFO};
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (count > 1 && strcmp(arguments[1], "resume") == 0) sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < 10; i++) {
        mprotect(page, 4096, PROT_NONE);
        *(volatile int *)page = i;
    }
    printf("%d\n", *(volatile int *)page);
    return 0;
}
