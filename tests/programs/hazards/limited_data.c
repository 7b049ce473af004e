/* Hazard: RLIMIT_DATA. It limits the memory that a program may write, wherever that is.
 * Sanitized: no, the runtime of the sanitizers needs more memory than is left
 */
#include "hazard.h"

#include <sys/resource.h>

int main(void) {
    unsigned char *first = take(300 * KIB, 9);
    setrlimit(RLIMIT_DATA, &(struct rlimit){256 * MIB, 256 * MIB});
    unsigned char *fits = malloc(64 * MIB);
    fill(fits, PAGE, 1);
    void *volatile refused = malloc(512 * MIB);
    say("malloc %d %s\n", refused == NULL, strerrorname_np(errno));
    errno = 0;
    void *volatile grown = realloc(fits, 512 * MIB);
    say("realloc %d %s intact %zu\n", grown == NULL, strerrorname_np(errno), intact(fits, PAGE, 1));
    int refusals = 0;
    void *held[64];
    for (int i = 0; i < 64; i++)
        refusals += (held[i] = malloc(16 * MIB)) == NULL;
    say("some but not all refused %d\n", refusals > 0 && refusals < 64);
    for (int i = 0; i < 64; i++)
        free(held[i]);
    free(fits);
    unsigned char *again = take(64 * MIB / 16, 2);
    say("again %zu first %zu\n", intact(again, 64 * MIB / 16, 2), intact(first, 300 * KIB, 9));
    free(again);
    free(first);
    return 0;
}
