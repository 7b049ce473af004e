/* Random reads of a static array: time that no allocation site has. */
#include <stdint.h>

#define CELLS (1u << 24)

static uint32_t lookup_table[CELLS];

int main(void) {
    uint32_t state = 1, sum = 0;
    for (uint32_t i = 0; i < CELLS; i++)
        lookup_table[i] = i * 2654435761u;
    for (uint32_t i = 0; i < 4000000; i++) {
        state = state * 1664525u + 1013904223u;
        sum += lookup_table[(state ^ sum) % CELLS];
    }
    return sum == 1;
}
