/* Hazard: a program forks again and again while its objects are moved. Each child must find what the parent
 * had written before, and neither may see what the other one writes afterwards. "stop" ends it.
 */
#include "live.h"
#include "pages.h"

#include <pthread.h>
#include <sys/wait.h>

enum { OBJECTS = 3, OBJECT_BYTES = 3 << 20 };
static unsigned char *objects[OBJECTS];
static int stopped;

static __attribute__((noinline)) unsigned char *make_object(void) {
    return malloc(OBJECT_BYTES);
}

static void fill(unsigned char value) {
    for (int i = 0; i < OBJECTS; i++)
        memset(objects[i], value, OBJECT_BYTES);
}

static int all_hold(unsigned char value) {
    int good = 1;
    for (int i = 0; i < OBJECTS; i++)
        good &= holds(objects[i], OBJECT_BYTES, value);
    return good;
}

static void live_as_child(unsigned char value) {
    int good = all_hold(value);
    fill(0xee);
    _exit(good && all_hold(0xee) ? 0 : 1);
}

static void *listen(void *argument) {
    char word[16];
    (void)hear(word, sizeof word);
    __atomic_store_n(&stopped, 1, __ATOMIC_RELAXED);
    return argument;
}

int main(void) {
    pthread_t listener;
    unsigned forks = 0, bad = 0;
    volatile int n = OBJECTS; /* one site: a loop that is unrolled would call from three places */
    for (int i = 0; i < n; i++)
        objects[i] = make_object();
    fill(0);
    say_ready();
    if (pthread_create(&listener, NULL, listen, NULL) != 0) return 2;
    do {
        unsigned char before = forks % 100, after = before + 100;
        int status = -1;
        pid_t child = fork();
        if (child == 0) live_as_child(before);
        fill(after);
        waitpid(child, &status, 0);
        bad += status != 0 || !all_hold(after);
        fill(++forks % 100);
    } while (!__atomic_load_n(&stopped, __ATOMIC_RELAXED));
    pthread_join(listener, NULL);
    printf("forks all %u bad %u\n", forks, bad);
    return say_content(bad == 0);
}
