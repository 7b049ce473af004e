/* control.c - see control.h. The handler runs in whatever thread the signal found, between any two of its
 * instructions; if that thread is inside the shim it does nothing, because who asks will ask again. */
#include "control.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "../common/rawio.h"
#include "../shim/meta.h"
#include "../shim/process.h"
#include "move.h"
#include "phases.h"
#include "signals.h"
#include "tiers.h"

static struct tp_control *tpi_control; /* NULL: nobody can ask */
static uint64_t tpi_cookie;            /* of this program's image; 0: not started */

static void tpi_answer(tp_guard *guard) {
    struct tp_control *control = tpi_control;
    if (control == NULL) return;
    uint64_t serial = __atomic_load_n(&control->request.serial, __ATOMIC_ACQUIRE), begun_ns = tp_now_ns();
    if (serial == __atomic_load_n(&control->answer.serial, __ATOMIC_RELAXED)) return;
    const struct tp_control_request asked = control->request;
    const struct tp_move_request request = {asked.key_hi, asked.key_lo, asked.tier, asked.max_bytes, false};
    struct tp_move_result result = {.moved_bytes = 0};
    bool known = tpi_known_tier(request.tier) != NULL;
    if (known && !tp_move(guard, &request, &result)) return;
    struct tp_control_answer *answer = &control->answer;
    answer->moved_bytes = result.moved_bytes;
    answer->left_bytes = result.left_bytes;
    memcpy(answer->stay_bytes, result.stay_bytes, sizeof answer->stay_bytes);
    answer->chunks = result.chunks;
    answer->frozen_ns = result.frozen_ns;
    answer->worst_ns = result.worst_ns;
    answer->error = result.error;
    answer->state = !known                   ? TP_CONTROL_BAD
                    : result.unseen          ? TP_CONTROL_UNSEEN
                    : result.left_bytes == 0 ? TP_CONTROL_DONE
                                             : TP_CONTROL_MORE;
    answer->taken_ns = tp_now_ns() - begun_ns;
    __atomic_store_n(&answer->serial, serial, __ATOMIC_RELEASE);
}

/* The claimant of SIGTRAP. */
static bool tpi_on_trap(siginfo_t *info, ucontext_t *context) {
    uint64_t value;
    memcpy(&value, &info->si_value, sizeof value);
    if ((info->si_code != SI_QUEUE && info->si_code != SI_TIMER) || tpi_cookie == 0 || value != tpi_cookie)
        return false;
    tp_guard guard;
    if (context == NULL || !tp_guard_enter(&guard)) return true;
    if (tp_process_ready(&guard) && tp_move_enter_handler(&guard)) {
        if (info->si_code == SI_TIMER)
            tp_phases_tick(&guard);
        else
            tpi_answer(&guard);
        tp_move_leave_handler(&guard);
    }
    tp_guard_leave(&guard);
    return true;
}

/* A child must not answer for its parent, nor stand in /proc with the parent's file. */
static struct tp_control *tpi_map(void) {
    static tp_meta_path path;
    tp_meta_name("control", path);
    int fd = tp_raw_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0) return NULL;
    void *mapped = MAP_FAILED;
    if (tp_raw_extend(fd, 0, sizeof(struct tp_control)) == 0)
        mapped = tp_raw_mmap(NULL, sizeof(struct tp_control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    tp_raw_close(fd);
    if (mapped == MAP_FAILED) return NULL;
    syscall(SYS_madvise, mapped, sizeof(struct tp_control), MADV_DONTFORK);
    return mapped;
}

static void tpi_open(void) {
    struct tp_control *control = tp_process_records() ? tpi_map() : NULL;
    tpi_control = control;
    if (control == NULL) return;
    control->version = TP_CONTROL_VERSION;
    control->pid = (uint32_t)syscall(SYS_getpid);
    control->cookie = tpi_cookie;
    control->chunk_bytes = TP_MOVE_CHUNK_BYTES;
    for (; tpi_known_tier(control->n_tiers) != NULL; control->n_tiers++)
        memcpy(control->tiers[control->n_tiers], tpi_tier_at(control->n_tiers)->plan->name,
               sizeof control->tiers[0]);
    memcpy(control->magic, TP_CONTROL_MAGIC, sizeof control->magic); /* last: now it can be used */
}

void tp_control_start(tp_guard *guard) {
    const struct tpi_plan *plan = tpi_current_plan();
    if (plan == NULL || tpi_cookie != 0 || (plan->header->n_moves == 0 && !tp_process_records())) return;
    uint64_t cookie = ((tp_now_ns() * 0x9e3779b97f4a7c15ull) ^ (uint64_t)syscall(SYS_getpid)) | 1;
    if (!tpi_signal_claim(SIGTRAP, tpi_on_trap)) {
        tp_meta_note(guard, TP_NOTE_MOVE_FAILED, 0,
                     "objects cannot be moved: SIGTRAP's handler cannot be set");
        return;
    }
    tpi_cookie = cookie;
    tpi_open();
    tp_phases_start(plan, cookie);
}

void tp_control_fork_child(tp_guard *guard) {
    tp_move_fork_child();
    if (tpi_cookie == 0) return;
    tpi_open();
    tp_phases_fork_child();
}
