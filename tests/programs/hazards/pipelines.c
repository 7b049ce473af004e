/* Hazard: vmsplice, tee and splice hand placed pages to pipes; sockets take them without copying. */
#include "hazard.h"

#include <fcntl.h>
#include <sys/uio.h>

int main(void) {
    int one[2], other[2];
    size_t size = 32 * KIB;
    unsigned char *from = aligned_alloc(PAGE, size), *to = malloc(100 * KIB);
    if (pipe(one) != 0 || pipe(other) != 0) return 1;
    for (unsigned i = 0; i < 10; i++) {
        struct iovec vector = {fill(from, size, i), size};
        ssize_t spliced = vmsplice(one[1], &vector, 1, 0);
        ssize_t doubled = tee(one[0], other[1], size, 0);
        say("%zd %zd:", spliced, doubled);
        say(" %zd", read(one[0], to, size));
        say(" %zu", intact(to, size, i));
        say(" %zd", read(other[0], to, size));
        say(" %zu\n", intact(to, size, i));
    }
    free(from);
    free(to);
    return 0;
}
