/* exact_counts.c - two arrays of two sites: `kernel` reads the first READS times and writes the second WRITES
 * times, and nothing else touches either. The first argument says what happens then: end | abort | segv |
 * kill | fork | exec | threads. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READS = 60000, WRITES = 20000, READ_BYTES = READS * 8, WRITTEN_BYTES = WRITES * 8 };

__attribute__((noinline)) static volatile uint64_t *make_read(void) {
    uint64_t *made = malloc(READ_BYTES);
    return made;
}

__attribute__((noinline)) static volatile uint64_t *make_written(void) {
    uint64_t *made = malloc(WRITTEN_BYTES);
    return made;
}

static volatile uint64_t *from, *to;

__attribute__((noinline)) uint64_t kernel(volatile uint64_t *read, volatile uint64_t *written) {
    uint64_t sum = 0;
    for (size_t i = 0; i < READS; i++)
        sum += read[i];
    for (size_t i = 0; i < WRITES; i++)
        written[i] = i;
    return sum;
}

static void *run(void *unused) {
    kernel(from, to);
    return unused;
}

int main(int argc, char **argv) {
    const char *then = argc > 1 ? argv[1] : "end";
    from = make_read();
    to = make_written();
    kernel(from, to);
    puts("counted");
    fflush(stdout);
    if (strcmp(then, "abort") == 0) abort();
    if (strcmp(then, "segv") == 0) raise(SIGSEGV);
    if (strcmp(then, "kill") == 0) {
        if (fork() == 0)
            _exit(kill(getppid(), SIGKILL)); /* from outside: nothing of the process learns of it */
        pause();
    }
    if (strcmp(then, "exec") == 0) execl(argv[0], argv[0], "end", (char *)NULL);
    if (strcmp(then, "fork") == 0) {
        if (fork() == 0) {
            kernel(from, to);
            _exit(0);
        }
        wait(NULL);
    }
    if (strcmp(then, "threads") == 0) {
        pthread_t other;
        pthread_create(&other, NULL, run, NULL);
        pthread_join(other, NULL);
    }
    free((void *)from);
    free((void *)to);
    return argc > 2 ? atoi(argv[2]) : 0;
}
