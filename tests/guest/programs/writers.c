/* Hazard: four threads write to COUNT objects of BYTES without a pause while these are moved. Each thread
 * adds one to a word of its own in every cache line, again and again; a write that got lost is missing in the
 * end. "pages" says where the objects are, "stop" ends it.
 */
#include "live.h"
#include "pages.h"

#include <pthread.h>

enum { THREADS = 4, LINE_WORDS = 8 };
static uint64_t **objects, passes[THREADS];
static size_t count, lines;
static int stopped;

static __attribute__((noinline)) uint64_t *make_object(size_t size) {
    uint64_t *object = malloc(size);
    __asm__ volatile("" : "+r"(object)); /* the compiler would make it a calloc, which touches nothing */
    return memset(object, 0, size);
}

static void *work(void *argument) {
    intptr_t self = (intptr_t)argument;
    while (!__atomic_load_n(&stopped, __ATOMIC_RELAXED)) {
        for (size_t object = 0; object < count; object++)
            for (size_t line = 0; line < lines; line++)
                ((volatile uint64_t *)objects[object])[line * LINE_WORDS + (size_t)self]++;
        passes[self]++;
    }
    return NULL;
}

static uint64_t lost(void) {
    uint64_t sum = 0;
    for (size_t object = 0; object < count; object++)
        for (size_t line = 0; line < lines; line++)
            for (size_t thread = 0; thread < THREADS; thread++)
                sum += passes[thread] - objects[object][line * LINE_WORDS + thread];
    return sum;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    char word[16];
    uint64_t all = 0;
    if (argc != 3) return 2;
    count = strtoull(argv[1], NULL, 10);
    size_t size = strtoull(argv[2], NULL, 10);
    lines = size / (LINE_WORDS * sizeof **objects);
    objects = malloc(count * sizeof *objects);
    for (size_t i = 0; i < count; i++)
        objects[i] = make_object(size);
    for (intptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) return 2;
    say_ready();
    while (hear(word, sizeof word) && strcmp(word, "pages") == 0) {
        printf("huge bytes %zu\n", huge_bytes(objects[0]));
        print_objects("objects", (void **)objects, count, size);
    }
    __atomic_store_n(&stopped, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all += passes[i] * count * lines;
    }
    printf("writers increments %lu lost %lu\n", all, lost());
    print_objects("objects", (void **)objects, count, size);
    return say_content(strcmp(word, "stop") == 0 && lost() == 0);
}
