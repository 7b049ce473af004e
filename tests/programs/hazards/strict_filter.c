/* Hazard: a sandbox, once the program has started: all system calls but a few are refused. Memory is
 * allocated, grown and given back on.
 * Sanitized: no, the runtime of the sanitizers makes calls that are refused
 */
#include "hazard.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ALLOW(number)                                                                                        \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void confine(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_read),
        ALLOW(SYS_write),
        ALLOW(SYS_close),
        ALLOW(SYS_mmap),
        ALLOW(SYS_munmap),
        ALLOW(SYS_mremap),
        ALLOW(SYS_mprotect),
        ALLOW(SYS_madvise),
        ALLOW(SYS_brk),
        ALLOW(SYS_futex),
        ALLOW(SYS_clock_gettime),
        ALLOW(SYS_rt_sigreturn),
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        skip("seccomp filters are not to be had");
}

static int churn(void) {
    size_t good = 0;
    unsigned char *held = NULL;
    for (unsigned i = 0; i < 30; i++) {
        size_t size = 1000 + i * 20000;
        held = realloc(held, size);
        good += intact(fill(held, size, i), size, i) == size;
        unsigned char *other = take(size / 2, i);
        good += intact(other, size / 2, i) == size / 2;
        free(other);
    }
    free(held);
    return (int)good;
}

int main(void) {
    unsigned char *before = take(300 * KIB, 1);
    pid_t pid = fork();
    if (pid == 0) {
        confine();
        _exit(churn());
    }
    say("good %d\n", ending(pid));
    say("intact %zu\n", intact(before, 300 * KIB, 1));
    free(before);
    return 0;
}
