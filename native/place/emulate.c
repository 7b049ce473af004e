/* emulate.c - the perf event and its handler. Everything below tpi_on_trap runs in signal context: it reads
 * memory, asks clocks, and takes no lock. */
#include "emulate.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <ucontext.h>

#include "../common/rawio.h"
#include "../shim/pagemap.h"
#include "identity.h"
#include "recipes.h"
#include "registers.h"
#include "sigtrap.h"

#define TPI_COOKIE 0x7469657270726f66ull /* "tierprof": tells our events from the program's */
#define TPI_PAUSES 128 /* some microseconds, between two looks at the CPU time, which are system calls */
#define TPI_LOWEST_FD 100

static struct {
    struct tpi_recipes recipes;
    double delay_ratio[TP_MAX_TIERS]; /* by tier; 0: not emulated */
    uint64_t period_ns;
    struct tp_counters *counters;
    int fd;
    uint64_t event_id;
} tpi_emulation = {.fd = -1};

/* The thread's CPU time when the handler last returned: from there on the time is the program's. */
static __thread uint64_t tpi_resumed_ns;

static uint64_t tpi_thread_cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void tpi_count(uint64_t *counter, uint64_t by) {
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

/* Spins until the thread has used so much CPU time: what a preempted thread sleeps does not count as delay.
 */
static void tpi_spin_until(uint64_t cpu_ns) {
    while (tpi_thread_cpu_ns() < cpu_ns)
        for (int i = 0; i < TPI_PAUSES; i++)
            tpi_pause();
}

/* Which recipe belongs to the instruction. Nothing is cached: the object's build-id is a few loads away, and
 * so a library that takes the place of another is never mistaken for it. */
static const struct tp_recipe *tpi_recipe_for(uintptr_t ip, struct tp_object *object) {
    uint8_t identity[TPI_IDENTITY_BYTES];
    if (!tp_object_find(ip, object)) return NULL;
    size_t bytes = tpi_identity_of(object, identity);
    return bytes ? tpi_recipes_find(&tpi_emulation.recipes, identity, bytes, ip - object->bias) : NULL;
}

static uintptr_t tpi_register(const ucontext_t *context, const struct tp_object *object, int8_t number) {
    if (number == TP_REG_NONE) return 0;
    return number == TP_REG_MODULE ? object->bias : tpi_context_register(context, number);
}

static uintptr_t tpi_address(const struct tp_recipe *recipe, const ucontext_t *context,
                             const struct tp_object *object) {
    return tpi_register(context, object, recipe->base) +
           (tpi_register(context, object, recipe->index) << recipe->shift) + (uintptr_t)recipe->displacement;
}

static double tpi_delay_ratio(const ucontext_t *context) {
    struct tp_object object;
    const struct tp_recipe *recipe = tpi_recipe_for(tpi_context_ip(context), &object);
    if (recipe == NULL) {
        tpi_count(&tpi_emulation.counters->emul_unknown_instruction, 1);
        return 0;
    }
    double ratio = 0;
    if (recipe->confidence != TP_CONF_NONE)
        ratio = tpi_emulation.delay_ratio[tp_pagemap_tier(tpi_address(recipe, context, &object))];
    if (ratio == 0) tpi_count(&tpi_emulation.counters->emul_elsewhere, 1);
    return ratio;
}

static void tpi_delay(uint64_t delay_ns) {
    uint64_t start = tpi_thread_cpu_ns();
    tpi_spin_until(start + delay_ns);
    tpi_count(&tpi_emulation.counters->emul_delayed, 1);
    tpi_count(&tpi_emulation.counters->emul_delay_ns, tpi_thread_cpu_ns() - start);
}

/* `late`: SIGTRAP was blocked when the event struck, so where the thread is now says nothing. That is so
 * after each delay that was longer than a period. */
static void tpi_on_trap(bool late, const ucontext_t *context) {
    int saved_errno = errno;
    uint64_t now = tpi_thread_cpu_ns(); /* begins anew in a forked child */
    uint64_t useful_ns = now >= tpi_resumed_ns ? now - tpi_resumed_ns : now;
    tpi_count(&tpi_emulation.counters->emul_signals, 1);
    tpi_count(&tpi_emulation.counters->emul_useful_ns, useful_ns);
    double ratio = late ? 0 : tpi_delay_ratio(context);
    /* A sample stands for one period of user time. What exceeds it went by in the kernel, where no sample is
     * taken. */
    if (useful_ns > tpi_emulation.period_ns) useful_ns = tpi_emulation.period_ns;
    if (ratio > 0) tpi_delay((uint64_t)(ratio * (double)useful_ns));
    tpi_resumed_ns = tpi_thread_cpu_ns();
    errno = saved_errno;
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
        return "this kernel has no perf events that send SIGTRAP (Linux 5.13 has)";
    if (fd < 0) return strerror(errno);
    int high = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, TPI_LOWEST_FD);
    if (high >= 0) tp_raw_close(fd);
    tpi_emulation.fd = high >= 0 ? high : fd;
    ioctl(tpi_emulation.fd, PERF_EVENT_IOC_ID, &tpi_emulation.event_id);
    return NULL;
}

static bool tpi_read_tiers(const struct tpi_plan *plan) {
    bool any = false;
    for (uint32_t i = 0; i < plan->header->n_tiers; i++) {
        if (plan->tiers[i].kind != TP_TIER_EMULATED) continue;
        tpi_emulation.delay_ratio[i] = plan->tiers[i].delay_ratio;
        any = true;
    }
    return any;
}

const char *tpi_emulate_start(const struct tpi_plan *plan, const char *recipes_path,
                              struct tp_counters *counters) {
    if (!tpi_read_tiers(plan) || plan->header->emulation_period_ns == 0) return NULL;
    if (!TPI_REGISTERS_KNOWN) return "the registers of this processor are not known";
    if (dlsym(RTLD_DEFAULT, "_dl_find_object") == NULL)
        return "the C library has no _dl_find_object (glibc 2.35 has)";
    if (recipes_path == NULL || recipes_path[0] == 0) return "there are no recipes";
    const char *why = tpi_recipes_open(&tpi_emulation.recipes, recipes_path);
    if (why != NULL) return why;
    tpi_emulation.period_ns = plan->header->emulation_period_ns;
    tpi_emulation.counters = counters;
    tpi_resumed_ns = tpi_thread_cpu_ns();
    if (!tpi_sigtrap_install(TPI_COOKIE, tpi_on_trap)) return "SIGTRAP's handler cannot be set";
    return tpi_open_event();
}

/* The descriptor came with fork, unless the program has closed it and uses the number for something else. */
static void tpi_close_parents_event(void) {
    uint64_t id = 0;
    if (ioctl(tpi_emulation.fd, PERF_EVENT_IOC_ID, &id) == 0 && id == tpi_emulation.event_id)
        tp_raw_close(tpi_emulation.fd);
    tpi_emulation.fd = -1;
}

const char *tpi_emulate_again(struct tp_counters *counters) {
    if (tpi_emulation.counters == NULL) return NULL;
    tpi_emulation.counters = counters;
    if (tpi_emulation.fd < 0) return NULL;
    tpi_close_parents_event();
    tpi_resumed_ns = tpi_thread_cpu_ns();
    return tpi_open_event();
}
