/* An array of which one page is read often and another written; and one that three rounds make anew: each
 * reads its first page, the last round its last page too. */
#include <stdlib.h>

enum { ARRAY_BYTES = 4 << 20, AGAIN_BYTES = 2 << 20, PAGE = 4096 };

static void touch(volatile char *page, int times, int write) {
    for (int i = 0; i < times; i++) {
        if (write)
            page[64 * (i % 60)] = 1;
        else
            (void)page[64 * (i % 60)];
    }
}

int main(void) {
    char *array = malloc(ARRAY_BYTES);
    if (array == NULL) return 1;
    touch(array + 10 * PAGE, 6000, 0);
    touch(array + 1000 * PAGE, 1200, 1);
    for (int round = 0; round < 3; round++) {
        char *again = malloc(AGAIN_BYTES);
        if (again == NULL) return 1;
        touch(again, 100, 0);
        if (round == 2) touch(again + AGAIN_BYTES - PAGE, 50, 1);
        free(again);
    }
    free(array);
    return 0;
}
