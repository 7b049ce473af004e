/* Makes 5000 blocks and is killed at once. */
#include <signal.h>
#include <stdlib.h>

int main(void) {
    for (int i = 0; i < 5000; i++) {
        void *volatile block = malloc(50000);
        if (block == NULL) return 1;
    }
    raise(SIGKILL);
    return 0;
}
