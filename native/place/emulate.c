/* emulate.c - the perf event: when it starts, what it sends, and when it ends. */
#include "emulate.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <ucontext.h>

#include "../common/rawio.h"
#include "bandwidth.h"
#include "held.h"
#include "keep.h"
#include "perf_siginfo.h"
#include "registers.h"
#include "sample.h"
#include "signals.h"
#include "surroundings.h"

#define TPI_COOKIE 0x7469657270726f66ull /* "tierprof": tells our events from the program's */
#define TPI_LINE_NS 100.0                /* of a random read, where the plan does not tell */

static struct tpi_kept_event tpi_event = {.fd = -1};
static bool tpi_started;
static long tpi_pid; /* of the process that the event is for */

static bool tpi_on_trap(siginfo_t *info, ucontext_t *context) {
    if (info->si_code != TPI_TRAP_PERF || tpi_perf_siginfo(info).data != TPI_COOKIE) return false;
    if (context != NULL) tpi_sample_take(tpi_perf_waited(info), context);
    return true;
}

static const char *tpi_open_event(void) {
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attr,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = tpi_emulation.period_ns,
        .inherit = 1,
        .inherit_thread = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .remove_on_exec = 1,
        .sigtrap = 1,
        .sig_data = TPI_COOKIE,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        return "perf is forbidden here (kernel.perf_event_paranoid, or a container's seccomp filter)";
    if (fd < 0 && (errno == EINVAL || errno == ENOSYS))
        return "this kernel has no perf events that send SIGTRAP";
    if (fd < 0) return strerror(errno);
    tpi_event_keep(&tpi_event, fd);
    return NULL;
}

static bool tpi_read_tiers(const struct tpi_plan *plan) {
    bool any = false;
    double caps[TP_MAX_TIERS] = {0};
    for (uint32_t i = 0; i < plan->header->n_tiers; i++) {
        const struct tp_plan_tier *tier = &plan->tiers[i];
        if (tier->kind != TP_TIER_EMULATED) continue;
        any = true;
        caps[i] = tier->bytes_per_s;
        tpi_emulation.delay_ratio[i] = tier->delay_ratio;
        tpi_emulation.line_ns[i] = tier->number > 0 ? (double)tier->number * 1e-3 : TPI_LINE_NS;
        tpi_emulation.capped |= caps[i] > 0;
    }
    if (!tpi_bandwidth_start(caps, TP_MAX_TIERS)) tpi_emulation.capped = false;
    return any;
}

/* What must be so before a sample may come. NULL, or in words what is not. */
static const char *tpi_check(const char *recipes_path) {
    if (!TPI_REGISTERS_KNOWN) return "the registers of this processor are not known";
    if (dlsym(RTLD_DEFAULT, "_dl_find_object") == NULL)
        return "the C library has no _dl_find_object (glibc 2.35 has)";
    const char *why = tpi_surroundings_check();
    if (why != NULL) return why;
    if (recipes_path == NULL || recipes_path[0] == 0) return "there are no recipes";
    return tpi_recipes_open(&tpi_emulation.recipes, recipes_path);
}

/* What comes through a signalfd, or to a tracer, is not ours to filter. A child of vfork has no event, and
 * the memory is its parent's. */
static void tpi_yield(const char *why) {
    tp_guard guard;
    if (syscall(SYS_getpid) != tpi_pid || !__atomic_exchange_n(&tpi_started, false, __ATOMIC_ACQ_REL)) return;
    tpi_event_drop(&tpi_event);
    if (!tp_guard_enter(&guard)) return;
    tpi_note(TP_NOTE_NO_EMULATION, 0, "no more delay: %s", why);
    tp_guard_leave(&guard);
}

static const char *tpi_begin(struct tp_counters *counters) {
    tpi_emulation.counters = counters;
    tpi_pid = syscall(SYS_getpid);
    tpi_sample_begin();
    const char *why = tpi_open_event();
    tpi_started = why == NULL;
    return why;
}

const char *tpi_emulate_start(const struct tpi_plan *plan, const char *recipes_path,
                              struct tp_counters *counters) {
    if (!tpi_read_tiers(plan) || plan->header->emulation_period_ns == 0) return NULL;
    const char *why = tpi_check(recipes_path);
    if (why != NULL) return why;
    tpi_emulation.period_ns = plan->header->emulation_period_ns;
    tpi_emulation.counters = counters; /* before the first sample */
    if (!tpi_signal_claim(SIGTRAP, tpi_on_trap)) return "SIGTRAP's handler cannot be set";
    tpi_signal_on_exposure(tpi_yield);
    return tpi_begin(counters);
}

const char *tpi_emulate_again(struct tp_counters *counters) {
    if (!tpi_started) return NULL;
    tpi_event_drop_parents(&tpi_event);
    tpi_emulation.counters = counters;
    if (tpi_surroundings_narrowed()) {
        tpi_started = false;
        return "a seccomp filter has come since the program started";
    }
    return tpi_begin(counters);
}
