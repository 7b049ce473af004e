/* perf_siginfo.h - the SIGTRAP of a perf event, as 64-bit kernels send it; glibc's headers have no names for
 * it yet. */
#ifndef TP_PERF_SIGINFO_H
#define TP_PERF_SIGINFO_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TPI_TRAP_PERF 6  /* si_code */
#define TPI_FLAG_ASYNC 1 /* TRAP_PERF_FLAG_ASYNC: the thread had SIGTRAP blocked when the sample struck */

struct tpi_perf_siginfo {
    int signo, error, code, pad;
    uint64_t address, data;
    uint32_t type, flags;
};

static inline struct tpi_perf_siginfo tpi_perf_siginfo(const siginfo_t *info) {
    struct tpi_perf_siginfo perf;
    memcpy(&perf, info, sizeof perf);
    return perf;
}

static inline bool tpi_perf_waited(const siginfo_t *info) {
    return info->si_code == TPI_TRAP_PERF && (tpi_perf_siginfo(info).flags & TPI_FLAG_ASYNC) != 0;
}

#endif
