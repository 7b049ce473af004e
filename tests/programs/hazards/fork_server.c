/* Hazard: a fork server: a process that has warmed up serves each request by a child, and a child of that,
 * with what it has read; what children change stays theirs. */
#include "hazard.h"

static unsigned char *cache[20];

static int serve(unsigned request) {
    size_t good = 0;
    for (unsigned i = 0; i < 20; i++)
        good += intact(cache[i], (i + 1) * 20 * KIB, i) == (i + 1) * 20 * KIB;
    free(cache[request % 20]);
    cache[request % 20] = take(100 * KIB, request);
    fill(cache[(request + 1) % 20], 20 * KIB, 77);
    pid_t pid = fork();
    if (pid == 0) _exit(intact(cache[request % 20], 100 * KIB, request) == 100 * KIB ? 1 : 0);
    return (int)good + ending(pid);
}

int main(void) {
    for (unsigned i = 0; i < 20; i++)
        cache[i] = take((i + 1) * 20 * KIB, i);
    int sum = 0;
    for (unsigned request = 0; request < 15; request++) {
        pid_t pid = fork();
        if (pid == 0) exit(serve(request));
        sum += ending(pid);
        if (request == 7) cache[3] = realloc(cache[3], 2 * MIB);
    }
    say("sum %d\n", sum);
    return 0;
}
