/* Hazard: what a program may do with private anonymous memory that it mapped itself, and that lies in files
 * now. Prints the name of each check that fails; the same without tierprof. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, BYTES = 1 << 20 };
static int failures;

static void check(int good, const char *what) {
    if (good) return;
    failures++;
    printf("FAILED: %s\n", what);
}

static int holds(const char *memory, size_t size, char value) {
    for (size_t i = 0; i < size; i++)
        if (memory[i] != value) return 0;
    return 1;
}

static char *map(void *where, size_t size, int flags) {
    return mmap(where, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static char *filled(size_t size, char value) {
    return memset(map(NULL, size, 0), value, size);
}

static void advise(void) {
    char *memory = filled(BYTES, 1);
    check(madvise(memory + PAGE, PAGE, MADV_DONTNEED) == 0, "madvise");
    check(holds(memory + PAGE, PAGE, 0) && holds(memory, PAGE, 1) && holds(memory + 2 * PAGE, PAGE, 1),
          "discarded pages are zeroes, and no others");
    mprotect(memory, 8 * PAGE, PROT_READ);
    madvise(memory, 2 * PAGE, MADV_DONTNEED);
    check(holds(memory, 2 * PAGE, 0), "discarded pages that may only be read");
    mprotect(memory + 4 * PAGE, PAGE, PROT_NONE);
    madvise(memory + 4 * PAGE, PAGE, MADV_DONTNEED);
    mprotect(memory, 8 * PAGE, PROT_READ | PROT_WRITE);
    check(holds(memory + 4 * PAGE, PAGE, 0), "discarded pages that may not be read");
    check(madvise(memory, BYTES, MADV_FREE) == 0, "MADV_FREE");
    errno = 0;
    check(madvise(memory, BYTES, MADV_REMOVE) == -1 && errno == EINVAL, "private memory has no holes");
    check(madvise(memory + 1, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL, "an address that is no page's");
    check(mlock(memory, PAGE) == 0 && munlock(memory, PAGE) == 0, "mlock");
    munmap(memory, BYTES);
}

static void grow_and_shrink(void) {
    char *memory = filled(BYTES, 2);
    memory = mremap(memory, BYTES, 3 * BYTES, MREMAP_MAYMOVE);
    check(memory != MAP_FAILED && holds(memory, BYTES, 2) && holds(memory + BYTES, 2 * BYTES, 0), "growing");
    memset(memory, 3, 3 * BYTES);
    check(mremap(memory, 3 * BYTES, BYTES, 0) == memory && holds(memory, BYTES, 3), "shrinking");
    memory = mremap(memory, BYTES, 2 * BYTES, MREMAP_MAYMOVE);
    check(holds(memory, BYTES, 3) && holds(memory + BYTES, BYTES, 0), "growing again");
    char *barrier = map(memory + 2 * BYTES, PAGE, MAP_FIXED_NOREPLACE);
    char *moved = mremap(memory, 2 * BYTES, 8 * BYTES, MREMAP_MAYMOVE);
    check(holds(moved, BYTES, 3) && holds(moved + BYTES, 7 * BYTES, 0), "growing elsewhere");
    memset(moved, 4, 8 * BYTES);
    char *target = filled(4 * BYTES, 5);
    char *there = mremap(moved, 4 * BYTES, 2 * BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    check(there == target && holds(target, 2 * BYTES, 4) && holds(target + 2 * BYTES, 2 * BYTES, 5),
          "moving over another mapping");
    check(holds(moved + 4 * BYTES, 4 * BYTES, 4), "what did not move is as it was");
    errno = 0;
    check(mremap(target, 0, BYTES, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL, "no second mapping");
    munmap(moved + 4 * BYTES, 4 * BYTES);
    munmap(target, 4 * BYTES);
    if (barrier != MAP_FAILED) munmap(barrier, PAGE);
}

/* Two mappings side by side are one to the kernel. */
static void move_two(void) {
    char *room = mmap(NULL, 4 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *first = memset(map(room, BYTES, MAP_FIXED), 6, BYTES);
    memset(map(room + BYTES, BYTES, MAP_FIXED), 7, BYTES);
    char *target = map(NULL, 2 * BYTES, 0);
    char *there = mremap(first, 2 * BYTES, 2 * BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    check(there == target && holds(there, BYTES, 6) && holds(there + BYTES, BYTES, 7), "moving two as one");
    char *left = mremap(there, 2 * BYTES, 2 * BYTES, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    check(left != MAP_FAILED && holds(left, BYTES, 6) && holds(left + BYTES, BYTES, 7), "moving the pages");
    check(holds(there, 2 * BYTES, 0), "what they leave is empty");
    munmap(left, 2 * BYTES);
    munmap(there, 2 * BYTES);
    munmap(room, 4 * BYTES);
}

static void replace_and_unmap(void) {
    char *memory = filled(4 * BYTES, 8);
    map(memory + BYTES, BYTES, MAP_FIXED);
    check(holds(memory + BYTES, BYTES, 0) && holds(memory, BYTES, 8), "a fresh mapping over a part");
    munmap(memory + 2 * BYTES, BYTES);
    check(holds(memory + 3 * BYTES, BYTES, 8), "a hole");
    check(mincore(memory + 2 * BYTES, PAGE, &(unsigned char){0}) == -1 && errno == ENOMEM, "is one");
    munmap(memory, 4 * BYTES);
}

static void run_code(void) {
#ifdef __x86_64__
    const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
    char *memory = filled(BYTES, 0);
    memcpy(memory, code, sizeof code);
    check(mprotect(memory, PAGE, PROT_READ | PROT_EXEC) == 0, "memory may become code");
    int (*function)(void) = (int (*)(void))(uintptr_t)memory;
    check(function() == 42, "code runs");
    munmap(memory, BYTES);
#endif
}

static void transfer(void) {
    int ends[2];
    char *memory = filled(BYTES, 9);
    if (pipe(ends) != 0) return;
    check(write(ends[1], memory, PAGE) == PAGE, "a system call reads it");
    check(read(ends[0], memory + PAGE, PAGE) == PAGE && holds(memory + PAGE, PAGE, 9), "one writes to it");
    close(ends[0]);
    close(ends[1]);
    munmap(memory, BYTES);
}

static int child_says(pid_t pid) {
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void fork_with(void) {
    char *memory = filled(BYTES, 10), *wiped = filled(BYTES, 11);
    check(madvise(wiped, BYTES, MADV_WIPEONFORK) == 0, "MADV_WIPEONFORK");
    pid_t pid = fork();
    if (pid == 0) {
        int good = holds(memory, BYTES, 10) && holds(wiped, BYTES, 0);
        memset(memory, 12, BYTES);
        _exit(good ? 0 : 1);
    }
    check(child_says(pid) == 0, "the child has its own");
    check(holds(memory, BYTES, 10) && holds(wiped, BYTES, 11), "and the parent");
    munmap(memory, BYTES);
    munmap(wiped, BYTES);
}

static ucontext_t back;
static int from_stack;

static void fork_aside(void) {
    volatile char local[PAGE];
    memset((char *)local, 13, PAGE);
    pid_t pid = fork();
    memset((char *)local, pid == 0 ? 14 : 15, PAGE);
    usleep(1000); /* both run at once */
    if (pid == 0) _exit(holds((char *)local, PAGE, 14) ? 0 : 1);
    from_stack = child_says(pid) == 0 && holds((char *)local, PAGE, 15);
}

/* On a stack that the program mapped, or allocated. */
static void fork_on(char *stack) {
    ucontext_t aside;
    getcontext(&aside);
    aside.uc_stack.ss_sp = stack;
    aside.uc_stack.ss_size = BYTES;
    aside.uc_link = &back;
    makecontext(&aside, fork_aside, 0);
    from_stack = 0;
    swapcontext(&back, &aside);
    check(from_stack, "fork on a stack of one's own");
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    alarm(30);
    advise();
    grow_and_shrink();
    move_two();
    replace_and_unmap();
    run_code();
    transfer();
    fork_with();
    char *mapped = map(NULL, BYTES, 0), *allocated = malloc(BYTES);
    fork_on(mapped);
    fork_on(allocated);
    munmap(mapped, BYTES);
    free(allocated);
    puts(failures ? "bad" : "good");
    return failures != 0;
}
