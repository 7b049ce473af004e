/* Hazard: memory that must not be replaced by a copy: locked, protected, kept from children, watched by a
 * userfaultfd of the program's own, waited in for a shared lock, the stack of a thread or of what this one
 * runs on, or in the C library's heap. The last object may move, and its advice must hold. */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { BYTES = 1 << 20, SMALL = 8 << 10 };

static ucontext_t outside, inside;
static int stop;
static sem_t *shared;

static void wait_for_end(void) {
    char byte;
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {
    }
}

static void *spin(void *unused) {
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    }
    return unused;
}

static void *wait_shared(void *unused) {
    sem_wait(shared);
    return unused;
}

static void watch(char *memory) {
    int fd = (int)syscall(SYS_userfaultfd, 0);
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {.range = {(uintptr_t)memory, BYTES},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) != 0 || ioctl(fd, UFFDIO_REGISTER, &range) != 0)
        puts("unwatched");
}

int main(void) {
    pthread_t on_stack, waiting;
    pthread_attr_t attributes;
    char *locked = memset(malloc(BYTES), 1, BYTES);
    char *protected = memset(malloc(BYTES), 2, BYTES);
    char *childless = memset(malloc(BYTES), 3, BYTES);
    char *watched = memset(malloc(BYTES), 4, BYTES);
    char *waited = memset(malloc(BYTES), 5, BYTES);
    char *thread_stack = memset(malloc(BYTES), 6, BYTES);
    char *stack = memset(malloc(BYTES), 7, BYTES);
    char *small = memset(malloc(SMALL), 8, SMALL);
    char *advised = memset(malloc(BYTES), 9, BYTES);
    if (mlock(locked, BYTES) != 0) return 2;
    mprotect((char *)(((uintptr_t)protected + 4095) & ~(uintptr_t)4095), 4096, PROT_READ);
    madvise(childless, BYTES, MADV_DONTFORK);
    madvise(advised, BYTES, MADV_DONTDUMP);
    watch(watched);
    shared = (sem_t *)waited;
    sem_init(shared, 1, 0);
    pthread_create(&waiting, NULL, wait_shared, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, thread_stack, BYTES);
    pthread_create(&on_stack, &attributes, spin, NULL);
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = BYTES;
    inside.uc_link = &outside;
    makecontext(&inside, wait_for_end, 0);
    swapcontext(&outside, &inside);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    sem_post(shared);
    pthread_join(waiting, NULL);
    pthread_join(on_stack, NULL);
    int good = locked[5] == 1 && protected[5] == 2 && childless[5] == 3 && watched[5] == 4 &&
               waited[BYTES - 1] == 5 && thread_stack[5] == 6 && stack[5] == 7 && small[5] == 8 &&
               advised[5] == 9;
    puts(good ? "good" : "bad");
    return 0;
}
