/* Hazard: RLIMIT_FSIZE, whose signal kills, and RLIMIT_NOFILE: the program's own files meet the limits where
 * they would, and its memory does not. */
#include "hazard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

static volatile sig_atomic_t signals;
static void on_limit(int number) {
    signals = signals + 1;
}

int main(void) {
    unsigned char *memory = take(200 * KIB, 1);
    int fds[64], n_fds = 0;
    signal(SIGXFSZ, on_limit);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){100 * KIB, 100 * KIB});
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){20, 20});
    unsigned char *large = take(5 * MIB, 2), *middle = take(90 * KIB, 3);
    say("signals %d\n", (int)signals);
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    say("written %zd", write(fd, memory, 200 * KIB));
    say(" then %zd", write(fd, memory, KIB));
    say(" %s, signals %d\n", strerrorname_np(errno), (int)signals);
    while (n_fds < 64 && (fds[n_fds] = open("/dev/null", O_RDONLY)) >= 0)
        n_fds++;
    say("opened %d %s\n", n_fds, strerrorname_np(errno));
    unsigned char *more = take(8 * MIB, 4);
    middle = realloc(middle, 3 * MIB);
    say("large %zu middle %zu more %zu\n", intact(large, 5 * MIB, 2), intact(middle, 90 * KIB, 3),
        intact(more, 8 * MIB, 4));
    while (n_fds > 0)
        close(fds[--n_fds]);
    pid_t pid = fork();
    if (pid == 0) _exit(intact(take(3 * MIB, 5), 3 * MIB, 5) == 3 * MIB ? 5 : 6);
    say("child %d signals %d\n", ending(pid), (int)signals);
    free(more);
    free(middle);
    free(large);
    free(memory);
    return 0;
}
