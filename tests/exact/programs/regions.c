/* Enters and leaves functions in every way that there is. `counted` runs 1000 stores and calls itself; each
 * way calls it a known number of times. */
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "tierprof_region.h"

static volatile uint64_t words[1000];
static jmp_buf before;

__attribute__((noinline)) void work(void) {
    for (int i = 0; i < 1000; i++)
        words[i] = 1;
}

__attribute__((noinline)) void counted(int depth) {
    work();
    if (depth > 0) counted(depth - 1);
    __asm__ volatile("");
}

__attribute__((noinline)) void jumps_out(void) {
    work();
    longjmp(before, 1);
}

static void *in_thread(void *argument) {
    counted(0);
    return NULL;
}

static void in_threads(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, in_thread, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void marked(void) {
    work();
    tierprof_region_begin();
    work();
    tierprof_region_begin();
    work();
    tierprof_region_end();
    work();
    tierprof_region_end();
    work();
}

static void jumped(void) {
    if (setjmp(before) == 0) jumps_out();
}

int main(int count, char **arguments) {
    const char *way = count > 1 ? arguments[1] : "";
    work();
    if (strcmp(way, "recursive") == 0) counted(4);
    if (strcmp(way, "threads") == 0) in_threads();
    if (strcmp(way, "marks") == 0) marked();
    if (strcmp(way, "jump") == 0) jumped();
    if (strcmp(way, "twice") == 0) counted(0), work(), counted(0);
    work();
    return 0;
}
