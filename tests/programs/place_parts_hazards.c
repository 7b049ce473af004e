/* What programs do to large objects, to ones whose pages are in several tiers: grown, cut, advised,
 * protected, torn, moved, forked, and made by threads at once. Prints how much was wrong. With an argument:
 * only what may be done without placement, too. */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static size_t wrong;

static void check(int good, const char *what) {
    if (good) return;
    wrong++;
    printf("bad: %s\n", what);
}

static void fill(char *start, size_t size, unsigned seed) {
    for (size_t at = 0; at < size; at += 512)
        start[at] = (char)(seed + (at >> 9) * 7);
}

static int holds(const char *start, size_t size, unsigned seed) {
    for (size_t at = 0; at < size; at += 512)
        if (start[at] != (char)(seed + (at >> 9) * 7)) return 0;
    return 1;
}

static int zero(const char *start, size_t size) {
    for (size_t at = 0; at < size; at += 512)
        if (start[at] != 0) return 0;
    return 1;
}

static __attribute__((noinline)) char *make(size_t size, unsigned seed) {
    char *object = malloc(size);
    fill(object, size, seed);
    return object;
}

static void resize(void) {
    char *object = make(8 * MIB, 1);
    object = realloc(object, 24 * MIB);
    check(holds(object, 8 * MIB, 1), "grown");
    fill(object, 24 * MIB, 2);
    for (size_t size = 24 * MIB; size > 4 * MIB; size -= 3 * MIB + 5000) {
        object = realloc(object, size);
        check(holds(object, size, 2), "cut");
        check(malloc_usable_size(object) >= size, "usable size");
    }
    object = realloc(object, 100);
    check(holds(object, 100, 2), "cut to a small one");
    free(object);
}

static void advise_and_protect(void) {
    char *object = make(16 * MIB, 3), *page = (char *)(((uintptr_t)object + 4095) & ~(uintptr_t)4095);
    check(madvise(page + 2 * MIB, 6 * MIB, MADV_DONTNEED) == 0, "advice");
    check(zero(page + 2 * MIB, 6 * MIB), "discarded");
    check(holds(object, 2 * MIB - 4096, 3), "not discarded");
    check(mprotect(page + 4 * MIB, 8 * MIB, PROT_READ) == 0, "protected");
    check(mprotect(page + 4 * MIB, 8 * MIB, PROT_READ | PROT_WRITE) == 0, "open again");
    fill(object, 16 * MIB, 4);
    check(holds(object, 16 * MIB, 4), "written again");
    free(object);
}

/* As one may do to placed objects only: the C library would unmap what has come to be there. */
static void tear(int placed) {
    char *object = make(16 * MIB, 5), *page = (char *)(((uintptr_t)object + 4095) & ~(uintptr_t)4095);
    char *hole = page + 2 * MIB, *away = page + 10 * MIB;
    if (!placed) {
        free(object);
        return;
    }
    check(munmap(hole, 5 * MIB) == 0, "hole");
    check(mmap(hole, 5 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hole,
          "filled hole");
    fill(hole, 5 * MIB, 6);
    char *moved = mremap(away, MIB, MIB, MREMAP_MAYMOVE);
    check(moved != MAP_FAILED, "moved away");
    free(object);
    check(holds(hole, 5 * MIB, 6), "of its own");
    check(munmap(hole, 5 * MIB) == 0 && munmap(moved, MIB) == 0, "unmapped");
}

static void align(void) {
    void *object = NULL;
    check(posix_memalign(&object, 4 * MIB, 12 * MIB) == 0 && (uintptr_t)object % (4 * MIB) == 0, "alignment");
    check(object != NULL && zero(object, 0), "aligned");
    fill(object, 12 * MIB, 7);
    check(holds(object, 12 * MIB, 7), "aligned content");
    free(object);
    char *cleared = calloc(3, 5 * MIB);
    check(zero(cleared, 15 * MIB), "zeroes");
    free(cleared);
}

static void forks(void) {
    char *object = make(12 * MIB, 8);
    int status = -1, down[2], up[2];
    char token = 'x';
    if (pipe(down) != 0 || pipe(up) != 0) exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        int good = holds(object, 12 * MIB, 8);
        fill(object, 12 * MIB, 9);
        good &= write(up[1], &token, 1) == 1 && read(down[0], &token, 1) == 1;
        good &= holds(object, 12 * MIB, 9);
        free(object);
        free(make(12 * MIB, 1));
        _exit(good ? 0 : 1);
    }
    check(read(up[0], &token, 1) == 1, "child");
    check(holds(object, 12 * MIB, 8), "not the child's");
    fill(object, 12 * MIB, 10);
    check(write(down[1], &token, 1) == 1, "told the child");
    waitpid(pid, &status, 0);
    check(status == 0, "not the parent's");
    check(holds(object, 12 * MIB, 10), "the parent's own");
    free(object);
}

static void *work(void *seed) {
    size_t bad = 0;
    for (unsigned i = 0; i < 12; i++) {
        unsigned own = (unsigned)(uintptr_t)seed + i;
        char *object = make(10 * MIB - 4096 * own, own);
        object = realloc(object, 6 * MIB);
        bad += !holds(object, 6 * MIB, own);
        free(object);
    }
    return (void *)bad;
}

static void threads(void) {
    pthread_t others[3];
    for (size_t i = 0; i < 3; i++)
        pthread_create(&others[i], NULL, work, (void *)(20 * i));
    for (size_t i = 0; i < 3; i++) {
        void *bad = NULL;
        pthread_join(others[i], &bad);
        check(bad == NULL, "threads");
    }
}

int main(int argc, char **argv) {
    alarm(50);
    resize();
    advise_and_protect();
    tear(argc == 1);
    align();
    forks();
    threads();
    printf("wrong %zu\n", wrong);
    return wrong != 0;
}
