/* Hazard: system calls that write into an object while it moves. What comes out of a pipe into it must be
 * what went in; a call that fails with EFAULT is told. Ends when standard input does. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 4 << 20, PIECE = 16 << 10 };

static char *object;
static int stop;
static long faults, wrong, pieces;

static void pass_through_pipe(int ends[2], uint64_t round) {
    char piece[PIECE];
    char *to = object + round * 7919 % (BYTES - PIECE);
    memset(piece, 1 + (int)(round % 250), sizeof piece);
    if (write(ends[1], piece, sizeof piece) != sizeof piece) wrong++;
    for (size_t done = 0; done < sizeof piece;) {
        ssize_t got = read(ends[0], to + done, sizeof piece - done);
        if (got <= 0 && errno == EFAULT) {
            faults++;
            continue;
        }
        if (got <= 0) break;
        done += (size_t)got;
    }
    wrong += memcmp(to, piece, sizeof piece) != 0;
    pieces++;
}

static void *work(void *unused) {
    int ends[2];
    if (pipe(ends) != 0) return unused;
    for (uint64_t round = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); round++)
        pass_through_pipe(ends, round);
    return unused;
}

int main(void) {
    pthread_t thread;
    char byte;
    object = memset(malloc(BYTES), 0, BYTES);
    pthread_create(&thread, NULL, work, NULL);
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    printf("wrong %ld faults %s\n", wrong, faults == 0 ? "none" : "some");
    return pieces == 0;
}
