/* Random reads of one large array, and a second one that is only written: a real run whose answer is known.
 */
#include <stdint.h>
#include <stdlib.h>

#define CELLS (1u << 24)
#define COLD_BYTES (8u << 20)

int main(void) {
    uint32_t *hot = malloc(CELLS * sizeof *hot);
    volatile char *cold = malloc(COLD_BYTES);
    uint32_t state = 1, sum = 0;
    for (uint32_t i = 0; i < COLD_BYTES; i += 64)
        cold[i] = 1;
    for (uint32_t i = 0; i < CELLS; i++)
        hot[i] = i * 2654435761u;
    for (uint32_t i = 0; i < 4000000; i++) {
        state = state * 1664525u + 1013904223u;
        sum += hot[(state ^ sum) % CELLS];
    }
    free(hot);
    free((void *)cold);
    return sum == 1;
}
