/* Hazard: signals that strike at any instruction, malloc's and free's included. The handler does what
 * handlers may: it maps, unmaps, reads and writes memory, and never calls malloc. */
#include "hazard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

static volatile sig_atomic_t struck, bad;

static void on_alarm(int number) {
    int saved = errno;
    unsigned char *pages = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bad += pages == MAP_FAILED || zeroes(pages, PAGE) != PAGE;
    fill(pages, PAGE, (unsigned)number);
    pages = mremap(pages, 64 * KIB, 128 * KIB, MREMAP_MAYMOVE);
    bad += pages == MAP_FAILED || intact(pages, PAGE, (unsigned)number) != PAGE;
    munmap(pages, 128 * KIB);
    struck = struck + 1;
    errno = saved;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 400}, {0, 400}}, never = {{0, 0}, {0, 0}};
    unsigned char *held[16] = {NULL};
    size_t sizes[16] = {0}, damaged = 0, at = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (; struck < 50; at = (at * 5 + 3) % 16) {
        damaged += held[at] != NULL && intact(held[at], 64, (unsigned)at) != 64;
        free(held[at]);
        sizes[at] = 64 + (sizes[at] * 13 + at * 997) % (40 * KIB);
        held[at] = malloc(sizes[at]);
        fill(held[at], 64, (unsigned)at);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    for (int i = 0; i < 16; i++)
        free(held[i]);
    say("damaged %zu bad %d\n", damaged, (int)bad);
    return 0;
}
