/* Hazard: system calls that sleep, and that read and write memory in the slow tier, while samples strike in
 * another thread and a profiling timer of the program's own goes off. None may fail or be cut short by us. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 48 << 20 };

static volatile int over;
static volatile sig_atomic_t profiled;
static uint64_t *array;
static volatile uint64_t sink;

static void on_profile(int number) {
    profiled = 1;
}

static void *read_at_random(void *argument) {
    uint64_t state = 88172645463325252ull;
    while (!over)
        for (int i = 0; i < 1000; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            state += array[(state >> 20) % (BYTES / 2 / sizeof *array)];
        }
    sink = state;
    return NULL;
}

static int failures(int pipe_in, int pipe_out, int epoll_fd) {
    char *upper = (char *)array + BYTES / 2, letter = 'x';
    struct timespec soon = {0, 1500000};
    struct epoll_event event;
    struct timeval short_time = {0, 1500};
    int wrong = 0;
    for (int i = 0; i < 60; i++) {
        wrong += nanosleep(&soon, NULL) != 0;
        wrong += poll(NULL, 0, 2) != 0;
        wrong += epoll_wait(epoll_fd, &event, 1, 2) != 0;
        wrong += select(0, NULL, NULL, NULL, &short_time) != 0;
        short_time = (struct timeval){0, 1500};
        wrong += write(pipe_out, upper, 4096) != 4096;
        wrong += read(pipe_in, upper + (i + 1) * 4096, 4096) != 4096;
        wrong += upper[(i + 1) * 4096 + 17] != letter;
    }
    return wrong;
}

int main(void) {
    pthread_t thread;
    int ends[2], epoll_fd = epoll_create1(0);
    array = malloc(BYTES);
    memset(array, 0, BYTES);
    memset((char *)array + BYTES / 2, 'x', 4096);
    if (pipe(ends) != 0) return 1;
    /* The thread takes the profiling signals: this one's calls are to be disturbed by nobody but us. */
    signal(SIGPROF, on_profile);
    pthread_create(&thread, NULL, read_at_random, NULL);
    sigset_t profile;
    sigemptyset(&profile);
    sigaddset(&profile, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &profile, NULL);
    setitimer(ITIMER_PROF, &(struct itimerval){{0, 3000}, {0, 3000}}, NULL);
    int wrong = failures(ends[0], ends[1], epoll_fd);
    over = 1;
    pthread_join(thread, NULL);
    printf("wrong %d profiled %d\n", wrong, (int)profiled);
    free(array);
    return 0;
}
