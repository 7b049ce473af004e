/* Hazard: four threads allocate, reallocate and free at once. Nobody may see another's data, and all that is
 * alive at the end must be in the tier. */
#include "pages.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 60, LIVE = 5 };
static const size_t sizes[] = {8 << 10, 100 << 10, 700 << 10, 3 << 20};
static unsigned char *live[THREADS][LIVE];
static size_t live_bytes[THREADS][LIVE];
static int bad;

static unsigned next_random(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static void one_round(unsigned char mark, unsigned char **object, size_t *size, unsigned *state) {
    size_t wanted = sizes[next_random(state) % (sizeof sizes / sizeof *sizes)];
    if (!holds(*object, *size, mark)) __atomic_store_n(&bad, 1, __ATOMIC_RELAXED);
    if (next_random(state) % 2) {
        free(*object);
        *object = malloc(wanted);
    } else {
        *object = realloc(*object, wanted);
        if (!holds(*object, wanted < *size ? wanted : *size, mark))
            __atomic_store_n(&bad, 1, __ATOMIC_RELAXED);
    }
    *size = wanted;
    memset(*object, mark, wanted);
}

static void *work(void *argument) {
    int self = (int)(intptr_t)argument;
    unsigned state = (unsigned)self + 1;
    for (int round = 0; round < ROUNDS; round++) {
        int slot = (int)(next_random(&state) % LIVE);
        one_round((unsigned char)(self + 1), &live[self][slot], &live_bytes[self][slot], &state);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    struct census census = {0};
    for (intptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        for (int slot = 0; slot < LIVE; slot++) {
            if (!holds(live[i][slot], live_bytes[i][slot], (unsigned char)(i + 1))) bad = 1;
            count_pages(live[i][slot], live_bytes[i][slot], &census);
        }
    print_census("live", &census);
    return say_content(!bad);
}
