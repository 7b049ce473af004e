/* process.c - starts, forks and ends. Started by the constructor, or by the first call that takes a slow path
 * before it; placement only by the constructor, because tiers may need dlopen.
 */
#include "process.h"

#include <pthread.h>
#include <string.h>

#include "../common/rawio.h"
#include "../place/control.h"
#include "../place/move.h"
#include "../place/place.h"
#include "allocators.h"
#include "cache.h"
#include "context.h"
#include "counters.h"
#include "hooks.h"
#include "maps.h"
#include "meta.h"
#include "objects.h"
#include "options.h"
#include "owners.h"
#include "python.h"
#include "readable.h"
#include "sites.h"
#include "small.h"
#include "stack.h"
#include "stems.h"
#include "stream.h"
#include "track.h"
#include "track_small.h"
#include "where.h"

enum tpi_state { TPI_COLD, TPI_ACTIVE, TPI_PASSIVE, TPI_ENDED };

__thread struct tp_thread tp_self;
size_t tp_threshold, tp_pass_limit, tp_small_limit, tp_plain_limit;

static enum tpi_state tpi_state;
static tp_lock tpi_start_lock = TP_LOCK_INIT;
static uint32_t tpi_incarnation; /* 0: not started; a forked child is the next one */
static bool tpi_recording;
static uint64_t tpi_unloaded;
static pthread_key_t tpi_thread_key;
static bool tpi_have_key;

/* A page that the kernel wipes in a forked child, however that was made. */
static uint32_t tpi_always_alive = 1;
static uint32_t *tpi_alive = &tpi_always_alive;

bool tp_process_is_orphan(void) {
    return __atomic_load_n(tpi_alive, __ATOMIC_RELAXED) == 0;
}

bool tp_process_records(void) {
    return tpi_recording;
}

static void tpi_open_files(tp_guard *guard, bool forked) {
    static tp_meta_path path;
    tpi_recording = tp_options.dir[0] != '\0' && tp_meta_start(guard, forked) && tp_stream_start(guard);
    if (tpi_recording) tp_meta_name("counters", path);
    tp_counters_start(tpi_recording ? path : NULL);
}

static void tpi_start_watching_for_fork(void) {
    uint32_t *page = tp_raw_pages(4096);
    if (page == NULL || madvise(page, 4096, MADV_WIPEONFORK) != 0) return;
    *page = 1;
    tpi_alive = page;
}

static void tpi_thread_end(void *value) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return;
    struct tp_thread *self = guard.self;
    tp_context_thread_end(&guard);
    tp_readable_thread_end(self);
    tp_cache_thread_end(&guard);
    tp_counters_flush(&guard);
    tp_stream_release(&guard);
    if (self->stack_copy != NULL) tp_raw_munmap(self->stack_copy, TP_STACK_COPY_BYTES);
    self->stack_copy = NULL;
    self->incarnation = 0; /* another destructor may allocate yet: that starts the thread anew */
    tp_guard_leave(&guard);
}

static void tpi_start_thread(struct tp_thread *self) {
    self->tid = (uint32_t)syscall(SYS_gettid);
    self->random = (tp_now_ns() << 20 ^ self->tid) | 1;
    tp_small_next(self);
    if (tpi_have_key) pthread_setspecific(tpi_thread_key, self);
    self->incarnation = tpi_incarnation;
}

/* The fork handlers' guard: held from prepare until after, in parent and child. */
static tp_guard tpi_fork_guard;
static bool tpi_fork_guarded;

static void tpi_fork_prepare(void) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return; /* a signal handler forks inside the shim: as a raw clone does */
    tp_move_fork_prepare(&guard);
    tp_sites_lock(&guard);
    tp_slabs_fork_prepare(&guard);
    tp_place_fork_prepare();
    tp_maps_fork_prepare(&guard);
    tp_stream_fork_prepare(&guard);
    tp_owners_fork_prepare(&guard);
    tp_meta_fork_prepare(&guard);
    tpi_fork_guard = guard;
    tpi_fork_guarded = true;
}

static void tpi_fork_parent(void) {
    if (!tpi_fork_guarded || tpi_fork_guard.self != &tp_self) return;
    tp_guard guard = tpi_fork_guard;
    tpi_fork_guarded = false;
    tp_meta_fork_parent(&guard);
    tp_owners_fork_parent(&guard);
    tp_stream_fork_parent(&guard);
    tp_maps_fork_parent(&guard);
    tp_place_fork_parent();
    tp_slabs_fork_parent(&guard);
    tp_sites_unlock(&guard);
    tp_move_fork_parent(&guard);
    tp_guard_leave(&guard);
}

/* The child has one thread, all locks are free again, and files of its own. What was alive stays alive: it is
 * the parent's, and a reader knows that by the parent's records. */
static void tpi_become_child(tp_guard *guard) {
    struct tp_thread *self = guard->self;
    self->locks = 0;
    tpi_fork_guarded = false;
    tp_lock_renew(&tpi_start_lock);
    tp_meta_fork_child();
    tp_owners_fork_child();
    tp_stream_fork_child(guard);
    tp_maps_fork_child();
    tp_slabs_fork_child();
    tp_sites_fork_child();
    tp_python_fork_child();
    memset(&self->pending, 0, sizeof self->pending);
    tpi_open_files(guard, true);
    tp_place_fork_child(tp_counters);
    tp_control_fork_child(guard);
    *tpi_alive = 1;
    tpi_incarnation++;
    tpi_start_thread(self);
}

static void tpi_fork_child(void) {
    if (!tpi_fork_guarded || tpi_fork_guard.self != &tp_self) return; /* the wiped page will tell */
    tp_guard guard = tpi_fork_guard;
    tpi_fork_guarded = false;
    tpi_become_child(&guard);
    tp_guard_leave(&guard);
}

static void tpi_start(tp_guard *guard) {
    const char *bad_option = tp_options_read();
    tp_objects_start();
    tp_unwind_start();
    tpi_open_files(guard, false);
    bool wanted = tpi_recording || tp_options.plan[0] != '\0';
    bool hooked = wanted;
    if (!tpi_recording) tp_options.small_period_bytes = 0;
    if (wanted) {
        tpi_start_watching_for_fork();
        pthread_atfork(tpi_fork_prepare, tpi_fork_parent, tpi_fork_child);
        tpi_have_key = pthread_key_create(&tpi_thread_key, tpi_thread_end) == 0;
        if (bad_option != NULL) tp_meta_note(guard, TP_NOTE_OTHER, 0, bad_option);
        hooked = tp_allocators_start(guard);
    }
    if (!hooked) tp_options.small_period_bytes = 0;
    tpi_incarnation = 1;
    tp_threshold = hooked ? tp_options.threshold_bytes : SIZE_MAX;
    __atomic_store_n(&tp_pass_limit, tp_threshold, __ATOMIC_RELEASE);
    __atomic_store_n(&tpi_state, wanted ? TPI_ACTIVE : TPI_PASSIVE, __ATOMIC_RELEASE);
}

static __attribute__((noinline)) bool tpi_catch_up(tp_guard *guard) {
    if (__atomic_load_n(&tpi_state, __ATOMIC_ACQUIRE) == TPI_COLD) {
        if (environ == NULL) return false; /* the C library is not ready */
        tp_guard_lock(guard, &tpi_start_lock);
        if (tpi_state == TPI_COLD) tpi_start(guard);
        tp_guard_unlock(guard, &tpi_start_lock);
    }
    if (*tpi_alive == 0) tpi_become_child(guard);
    if (guard->self->incarnation != tpi_incarnation) tpi_start_thread(guard->self);
    return tpi_state != TPI_PASSIVE;
}

void tp_process_look_at_small(void) {
    if (tp_threshold == SIZE_MAX) return; /* the program's own malloc is in charge */
    tp_slabs_on = true;
    tp_small_limit = tp_threshold < TP_CLASS_LINEAR_BYTES ? tp_threshold : TP_CLASS_LINEAR_BYTES + 1;
    __atomic_store_n(&tp_pass_limit, 0, __ATOMIC_RELEASE);
}

bool tp_process_ready(tp_guard *guard) {
    if (__builtin_expect(
            guard->self->incarnation == tpi_incarnation && tpi_incarnation != 0 && *tpi_alive != 0, 1))
        return tpi_state != TPI_PASSIVE;
    return tpi_catch_up(guard);
}

void tp_process_unloaded(void) {
    tp_guard guard;
    bool any = false;
    bool entered = tp_guard_enter(&guard);
    if (entered && tp_process_ready(&guard)) {
        uint64_t unloaded = tp_objects_unloaded();
        any = __atomic_exchange_n(&tpi_unloaded, unloaded, __ATOMIC_RELAXED) != unloaded;
    }
    tp_python_resume(any);
    if (any) {
        tp_unwind_forget();
        tp_sites_forget(&guard);
    }
    if (entered) tp_guard_leave(&guard);
}

static __attribute__((constructor(101))) void tpi_construct(void) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return;
    if (tp_process_ready(&guard)) {
        tp_place_start(tp_counters);
        tp_stems_start(&guard);
        if (tp_place_small()) tp_process_look_at_small();
        tp_sites_forget(&guard); /* those seen before had no plan */
        if (!tpi_recording) tp_plain_limit = tp_place_plain_bytes();
        tp_control_start(&guard);
    }
    tp_guard_leave(&guard);
}

static __attribute__((destructor)) void tpi_destruct(void) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return;
    if (tp_process_ready(&guard) && tpi_state == TPI_ACTIVE) {
        tp_track_exit(&guard);
        tp_track_exit_maps(&guard);
        tp_where_slabs_at_exit(&guard);
        tp_slabs_exit(&guard);
        tp_counters_flush(&guard);
        tp_meta_exit(&guard);
        __atomic_store_n(&tpi_state, TPI_ENDED, __ATOMIC_RELEASE);
    }
    tp_guard_leave(&guard);
}
