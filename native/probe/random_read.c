/* random_read.c - threads that read two arrays at random, one after the other, and time both by their CPU
 * time.
 *
 * Each read's place depends on the value read before, so that a thread waits for every one. The arrays come
 * from two functions: they are two objects, and a plan can place them apart.
 *
 * In every round both arrays are read a second time with SIGTRAP blocked, which keeps the emulated tier from
 * delaying anything: the same pages, moments later. Order matters: a sample stands for the time before it, so
 * what the slow array is spared at its end is made up by what it is charged for the end of the fast one
 * before it.
 */
#include "probe.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { TPI_READS = 32768, TPI_MAX_ROUNDS = 16384 };

struct tpi_round { /* nanoseconds for one read */
    double fast_ns, slow_ns;
    double plain_fast_ns, plain_slow_ns; /* with SIGTRAP blocked */
};

struct tpi_reader {
    pthread_t thread;
    const uint64_t *fast, *slow;
    size_t fast_words, slow_words;
    uint64_t until_ns, state;
    size_t n_rounds;
    struct tpi_round *rounds;
};

uint64_t *tp_probe_touch(uint64_t *array, size_t bytes) {
    for (size_t i = 0; array != NULL && i < bytes / sizeof *array; i += 512)
        ((volatile uint64_t *)array)[i] = 0;
    return array;
}

static __attribute__((noinline)) uint64_t *tpi_make_fast(size_t bytes) {
    return tp_probe_touch(malloc(bytes), bytes);
}

/* The empty statement keeps the compiler from folding both functions into one. */
static __attribute__((noinline)) uint64_t *tpi_make_slow(size_t bytes) {
    __asm__ volatile("");
    return tp_probe_touch(malloc(bytes), bytes);
}

/* The array holds zeros, which the compiler does not know: the values steer nothing, but are waited for. */
static __attribute__((noinline)) double tpi_read(const uint64_t *array, size_t words, uint64_t *state) {
    uint64_t start = tp_probe_clock_ns(CLOCK_THREAD_CPUTIME_ID), local = *state;
    for (int i = 0; i < TPI_READS; i++) {
        uint64_t random = tp_probe_random(&local);
        local += array[tp_probe_below(random, words)];
    }
    *state = local;
    return (double)(tp_probe_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / TPI_READS;
}

static void tpi_read_round(struct tpi_reader *reader, struct tpi_round *round) {
    sigset_t trap;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    round->fast_ns = tpi_read(reader->fast, reader->fast_words, &reader->state);
    round->slow_ns = tpi_read(reader->slow, reader->slow_words, &reader->state);
    pthread_sigmask(SIG_BLOCK, &trap, NULL);
    round->plain_fast_ns = tpi_read(reader->fast, reader->fast_words, &reader->state);
    round->plain_slow_ns = tpi_read(reader->slow, reader->slow_words, &reader->state);
    pthread_sigmask(SIG_UNBLOCK, &trap, NULL);
}

static void *tpi_run_reader(void *argument) {
    struct tpi_reader *reader = argument;
    while (reader->n_rounds < TPI_MAX_ROUNDS && tp_probe_clock_ns(CLOCK_MONOTONIC) < reader->until_ns)
        tpi_read_round(reader, &reader->rounds[reader->n_rounds++]);
    return NULL;
}

static void tpi_print_round(const struct tpi_round *round, unsigned thread) {
    printf("{\"thread\": %u, \"fast_ns\": %.3f, \"slow_ns\": %.3f, \"plain_fast_ns\": %.3f, "
           "\"plain_slow_ns\": %.3f}",
           thread, round->fast_ns, round->slow_ns, round->plain_fast_ns, round->plain_slow_ns);
}

static void tpi_print(const struct tpi_reader *readers, unsigned n_readers) {
    printf("{\"threads\": %u, \"reads_per_round\": %d, \"rounds\": [", n_readers, TPI_READS);
    const char *comma = "";
    for (unsigned i = 0; i < n_readers; i++)
        for (size_t j = 0; j < readers[i].n_rounds; j++, comma = ", ") {
            fputs(comma, stdout);
            tpi_print_round(&readers[i].rounds[j], i);
        }
    puts("]}");
}

int tp_probe_random_read(const struct tp_probe_options *options) {
    uint64_t *fast = tpi_make_fast(options->fast_bytes), *slow = tpi_make_slow(options->slow_bytes);
    struct tpi_reader *readers = calloc(options->threads, sizeof *readers);
    if (fast == NULL || slow == NULL || readers == NULL) {
        fputs("tierprof-probe: no memory\n", stderr);
        return 1;
    }
    uint64_t until_ns = tp_probe_clock_ns(CLOCK_MONOTONIC) + (uint64_t)(options->seconds * 1e9);
    for (unsigned i = 0; i < options->threads; i++) {
        readers[i] = (struct tpi_reader){0,
                                         fast,
                                         slow,
                                         options->fast_bytes / 8,
                                         options->slow_bytes / 8,
                                         until_ns,
                                         88172645463325252ull + i,
                                         0,
                                         NULL};
        readers[i].rounds = calloc(TPI_MAX_ROUNDS, sizeof *readers[i].rounds);
        if (readers[i].rounds == NULL ||
            pthread_create(&readers[i].thread, NULL, tpi_run_reader, &readers[i]) != 0) {
            fputs("tierprof-probe: no more threads\n", stderr);
            return 1;
        }
    }
    for (unsigned i = 0; i < options->threads; i++)
        pthread_join(readers[i].thread, NULL);
    tpi_print(readers, options->threads);
    for (unsigned i = 0; i < options->threads; i++)
        free(readers[i].rounds);
    free(readers);
    free(fast);
    free(slow);
    return 0;
}
