/* Random reads of one large array, and a second array that is only written once: a real run whose answer is
 * known. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CELLS (1u << 24)

static uint32_t *make_hot(void) {
    return malloc(CELLS * sizeof(uint32_t));
}
static char *make_cold(void) {
    return malloc(8u << 20);
}

int main(void) {
    uint32_t *hot = make_hot(), state = 1, sum = 0;
    char *cold = make_cold();
    memset(cold, 1, 8u << 20);
    for (uint32_t i = 0; i < CELLS; i++)
        hot[i] = i * 2654435761u;
    for (uint32_t i = 0; i < 8000000; i++) {
        state = state * 1664525u + 1013904223u;
        sum += hot[(state ^ sum) % CELLS];
    }
    free(hot);
    free(cold);
    return sum == 1;
}
