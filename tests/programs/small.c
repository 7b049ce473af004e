/* 300000 blocks of 64 bytes: half released at once, half kept until the end, one in ten by calloc. */
#include <stdlib.h>

enum { BLOCKS = 300000, BYTES = 64 };

static void *kept[BLOCKS];

int main(void) {
    for (int i = 0; i < BLOCKS; i++) {
        kept[i] = i % 10 == 0 ? calloc(1, BYTES) : malloc(BYTES);
        if (i % 2 == 0) {
            free(kept[i]);
            kept[i] = NULL;
        }
    }
    for (int i = 0; i < BLOCKS; i++)
        free(kept[i]);
    return 0;
}
