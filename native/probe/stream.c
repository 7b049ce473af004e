/* stream.c - threads that sweep arrays of their own, again and again, and count what they read and write.
 *
 * Bytes are counted as the STREAM benchmark counts them: what the loop reads and writes, not what caches add
 * to it. All arrays come from one function, and are one object.
 */
#include "probe.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TPI_SLICE_WORDS = 1 << 16 }; /* between two looks at the clock */

struct tpi_sweeper {
    pthread_t thread;
    uint64_t *array;
    size_t words;
    uint64_t until_ns, cpu_ns, slices, sum;
};

/* One half of the array to the other. */
static __attribute__((noinline)) uint64_t tpi_copy(uint64_t *to, const uint64_t *from, size_t words) {
    for (size_t i = 0; i < words; i++) {
        to[i] = from[i];
        __asm__ volatile("" ::: "memory"); /* or it would be the C library's memcpy */
    }
    return 0;
}

static __attribute__((noinline)) uint64_t tpi_read(const uint64_t *array, size_t words) {
    uint64_t sum = 0;
    for (size_t i = 0; i < words; i++)
        sum += array[i];
    return sum;
}

static __attribute__((noinline)) uint64_t tpi_write(uint64_t *array, size_t words) {
    for (size_t i = 0; i < words; i++) {
        array[i] = i;
        __asm__ volatile("" ::: "memory");
    }
    return 0;
}

struct tpi_way {
    const char *name;
    unsigned transfers; /* of a word of a slice */
};

static const struct tpi_way tpi_ways[] = {{"read", 1}, {"write", 1}, {"copy", 2}};

static const struct tpi_way *tpi_way;

static uint64_t tpi_sweep_slice(const struct tpi_sweeper *self, size_t at) {
    uint64_t *slice = self->array + at;
    if (tpi_way == &tpi_ways[0]) return tpi_read(slice, TPI_SLICE_WORDS);
    if (tpi_way == &tpi_ways[1]) return tpi_write(slice, TPI_SLICE_WORDS);
    return tpi_copy(slice + self->words / 2, slice, TPI_SLICE_WORDS);
}

static void *tpi_run_sweeper(void *argument) {
    struct tpi_sweeper *self = argument;
    size_t words = self->words / tpi_way->transfers, at = 0;
    uint64_t start_ns = tp_probe_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    while (tp_probe_clock_ns(CLOCK_MONOTONIC) < self->until_ns) {
        self->sum += tpi_sweep_slice(self, at);
        self->slices++;
        at = at + 2 * TPI_SLICE_WORDS > words ? 0 : at + TPI_SLICE_WORDS;
    }
    self->cpu_ns = tp_probe_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns;
    return NULL;
}

static __attribute__((noinline)) uint64_t *tpi_make_array(size_t bytes) {
    return tp_probe_touch(malloc(bytes), bytes);
}

static bool tpi_start(struct tpi_sweeper *self, const struct tp_probe_options *options) {
    self->words = options->bytes / sizeof *self->array;
    self->array = tpi_make_array(options->bytes);
    return self->array != NULL;
}

static int tpi_fail(const char *why) {
    fprintf(stderr, "tierprof-probe: %s\n", why);
    return 1;
}

int tp_probe_stream(const struct tp_probe_options *options) {
    uint64_t slices = 0, cpu_ns = 0;
    for (size_t i = 0; i < sizeof tpi_ways / sizeof *tpi_ways; i++)
        if (strcmp(options->kind, tpi_ways[i].name) == 0) tpi_way = &tpi_ways[i];
    if (tpi_way == NULL || options->bytes < 4 * sizeof(uint64_t) * TPI_SLICE_WORDS) return tpi_fail("what?");
    struct tpi_sweeper *all = calloc(options->threads, sizeof *all);
    for (unsigned i = 0; i < options->threads; i++)
        if (all == NULL || !tpi_start(&all[i], options)) return tpi_fail("no memory");
    uint64_t start_ns = tp_probe_clock_ns(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < options->threads; i++) {
        all[i].until_ns = start_ns + (uint64_t)(options->seconds * 1e9);
        if (pthread_create(&all[i].thread, NULL, tpi_run_sweeper, &all[i]) != 0)
            return tpi_fail("no more threads");
    }
    for (unsigned i = 0; i < options->threads; i++) {
        pthread_join(all[i].thread, NULL);
        slices += all[i].slices;
        cpu_ns += all[i].cpu_ns;
    }
    double seconds = (double)(tp_probe_clock_ns(CLOCK_MONOTONIC) - start_ns) * 1e-9;
    uint64_t bytes = slices * TPI_SLICE_WORDS * sizeof(uint64_t) * tpi_way->transfers;
    printf("{\"kind\": \"%s\", \"threads\": %u, \"bytes\": %" PRIu64
           ", \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n",
           tpi_way->name, options->threads, bytes, seconds, (double)cpu_ns * 1e-9);
    for (unsigned i = 0; i < options->threads; i++)
        free(all[i].array);
    free(all);
    return 0;
}
