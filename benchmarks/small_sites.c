/* small_sites.c - what malloc and free cost from a site, by one thread and by two at once. Prints a line for
 * each kind of traffic and number of threads: nanoseconds of CPU time a pair, and pairs a microsecond of all
 * threads together by the clock on the wall.
 *
 * `small_sites malloc` uses malloc; `small_sites arena` an arena of jemalloc's for the site alone, with a
 * cache for each thread (mallocx; jemalloc is preloaded, because it cannot be opened later); `small_sites
 * kind FOLDER` a PMEM kind of memkind's; `small_sites once` is `malloc` without the time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIRST_PAIRS = 1000, MOST_ALIVE = 4096, THREADS = 2 };

static double long_enough_ns = 30e6;

/* So many blocks are allocated, and then freed. */
static const struct {
    const char *name;
    size_t size, alive;
} traffics[] = {{"64B", 64, 1}, {"64B-kept", 64, MOST_ALIVE}, {"64KiB", 65536, 1}};

static void *(*jemalloc_take)(size_t, int);
static void (*jemalloc_give)(void *, int);
static int (*jemalloc_control)(const char *, void *, size_t *, void *, size_t);
static unsigned arena;
static __thread int arena_flags; /* MALLOCX_ARENA and MALLOCX_TCACHE; 0: the thread has no cache yet */
static void *(*memkind_take)(void *, size_t);
static void (*memkind_give)(void *, void *);
static void *kind;

/* One place for each allocator: a site is a place in the program. */
static __attribute__((noinline)) void *take_malloc(size_t size) {
    void *volatile block = malloc(size);
    return block;
}
static void give_malloc(void *block) {
    free(block);
}
static void make_arena_cache(void) {
    unsigned cache = 0;
    size_t bytes = sizeof cache;
    if (jemalloc_control("tcache.create", &cache, &bytes, NULL, 0) != 0) exit(1);
    arena_flags = (int)(arena + 1) << 20 | (int)(cache + 2) << 8;
}
static void *take_arena(size_t size) {
    if (arena_flags == 0) make_arena_cache();
    return jemalloc_take(size, arena_flags);
}
static void give_arena(void *block) {
    jemalloc_give(block, arena_flags);
}
static void *take_kind(size_t size) {
    return memkind_take(kind, size);
}
static void give_kind(void *block) {
    memkind_give(kind, block);
}

static void *(*take)(size_t) = take_malloc;
static void (*give)(void *) = give_malloc;

static double now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

struct work {
    pthread_barrier_t *together;
    size_t size, alive;
    long pairs;
    double cpu_ns, wall_ns;
};

static void run(const struct work *work, void **blocks) {
    for (long done = 0; done < work->pairs; done += (long)work->alive) {
        for (size_t i = 0; i < work->alive; i++) {
            blocks[i] = take(work->size);
            if (blocks[i] == NULL) exit(1);
            *(char volatile *)blocks[i] = 1;
        }
        for (size_t i = 0; i < work->alive; i++)
            give(blocks[i]);
    }
}

static void *run_thread(void *argument) {
    static __thread void *blocks[MOST_ALIVE];
    struct work *work = argument;
    pthread_barrier_wait(work->together);
    double cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID), wall_ns = now_ns(CLOCK_MONOTONIC);
    run(work, blocks);
    work->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    work->wall_ns = now_ns(CLOCK_MONOTONIC) - wall_ns;
    return NULL;
}

/* Doubles the work until it takes long enough. */
static void measure(size_t traffic, unsigned n_threads) {
    double cpu_ns = 0, wall_ns = 0;
    long pairs = FIRST_PAIRS > (long)traffics[traffic].alive ? FIRST_PAIRS : (long)traffics[traffic].alive;
    for (bool enough = false; !enough; pairs *= 2) {
        pthread_t threads[THREADS];
        struct work works[THREADS];
        pthread_barrier_t together;
        pthread_barrier_init(&together, NULL, n_threads);
        for (unsigned i = 0; i < n_threads; i++) {
            works[i] = (struct work){&together, traffics[traffic].size, traffics[traffic].alive, pairs, 0, 0};
            pthread_create(&threads[i], NULL, run_thread, &works[i]);
        }
        cpu_ns = wall_ns = 0;
        for (unsigned i = 0; i < n_threads; i++) {
            pthread_join(threads[i], NULL);
            cpu_ns += works[i].cpu_ns;
            if (works[i].wall_ns > wall_ns) wall_ns = works[i].wall_ns;
        }
        pthread_barrier_destroy(&together);
        enough = cpu_ns >= long_enough_ns * n_threads;
    }
    double all = (double)(pairs / 2) * n_threads;
    printf("%s %u %.3f %.4f\n", traffics[traffic].name, n_threads, cpu_ns / all, 1e3 * all / wall_ns);
}

static int use_arena(void) {
    size_t bytes = sizeof arena;
    *(void **)&jemalloc_control = dlsym(RTLD_DEFAULT, "mallctl");
    *(void **)&jemalloc_take = dlsym(RTLD_DEFAULT, "mallocx");
    *(void **)&jemalloc_give = dlsym(RTLD_DEFAULT, "dallocx");
    take = take_arena, give = give_arena;
    return jemalloc_control == NULL || jemalloc_control("arenas.create", &arena, &bytes, NULL, 0) != 0;
}

static int use_kind(const char *folder) {
    void *library = dlopen("libmemkind.so.0", RTLD_NOW);
    int (*create)(const char *, size_t, void **);
    if (library == NULL) return 1;
    *(void **)&create = dlsym(library, "memkind_create_pmem");
    *(void **)&memkind_take = dlsym(library, "memkind_malloc");
    *(void **)&memkind_give = dlsym(library, "memkind_free");
    take = take_kind, give = give_kind;
    return create == NULL || create(folder, 0, &kind) != 0;
}

int main(int count, char **words) {
    if (count > 1 && strcmp(words[1], "once") == 0) long_enough_ns = 0;
    if (count > 1 && strcmp(words[1], "arena") == 0 && use_arena() != 0) return 2;
    if (count > 2 && strcmp(words[1], "kind") == 0 && use_kind(words[2]) != 0) return 2;
    for (size_t traffic = 0; traffic < sizeof traffics / sizeof *traffics; traffic++)
        for (unsigned n_threads = 1; n_threads <= THREADS; n_threads++)
            measure(traffic, n_threads);
    return 0;
}
