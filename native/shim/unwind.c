/* unwind.c - walks a stack. The shim's own frames are left by their frame pointers (it is compiled to keep
 * them), which also gives the caller's registers; then arch-specific steps follow.
 */
#include "unwind.h"

#include "objects.h"
#include "stack.h"
#include "unwind_step.h"

/* A recursion deeper than this is cut, however few distinct frames it has. */
enum { TPI_MAX_STEPS = 1024 };

static uintptr_t tpi_own_start, tpi_own_end;

void tp_unwind_start(void) {
    struct tp_object own;
    if (!tp_object_find((uintptr_t)&tp_unwind_start, &own)) return;
    tpi_own_start = own.start;
    tpi_own_end = own.end;
}

void tp_unwind_forget(void) {
    tp_step_forget();
}

/* From this function's frame out to the first one that is not the shim's. */
static bool tpi_leave_shim(const struct tp_stack *stack, struct tp_frame *frame) {
    do {
        frame->fp_at = frame->fp;
        frame->pc_at = frame->fp_at + sizeof(void *);
        if (!tp_stack_word(stack, frame->fp_at, &frame->fp) ||
            !tp_stack_word(stack, frame->pc_at, &frame->pc))
            return false;
        frame->sp = frame->fp_at + 2 * sizeof(void *);
    } while (frame->pc >= tpi_own_start && frame->pc < tpi_own_end);
    return true;
}

static void tpi_note_word(struct tp_trail *trail, uintptr_t address) {
    size_t word = (address - (uintptr_t)trail->hook) / sizeof(uintptr_t);
    if (trail->n_words == TP_TRAIL_WORDS || word > UINT16_MAX)
        trail->whole = false;
    else
        trail->words[trail->n_words++] = (uint16_t)word;
}

/* What the step that was made followed. `old_fp_at`: where the frame pointer came from that it started from.
 */
static void tpi_note_step(struct tp_trail *trail, const struct tp_frame *frame, uintptr_t old_fp_at,
                          bool first) {
    if (frame->by_fp) tpi_note_word(trail, old_fp_at);
    if (frame->cfa_at != 0) tpi_note_word(trail, frame->cfa_at);
    tpi_note_word(trail, frame->pc_at);
    if (first && !frame->by_fp && trail->whole) trail->second = trail->words[0];
}

void __attribute__((noinline)) tp_unwind_trail(tp_guard *guard, struct tp_backtrace *backtrace,
                                               struct tp_trail *trail) {
    struct tp_frame frame = {.fp = (uintptr_t)__builtin_frame_address(0)};
    struct tp_stack stack = tp_stack_of(guard, frame.fp);
    uintptr_t previous = 0;
    backtrace->n_frames = trail->n_words = trail->second = 0;
    backtrace->truncated = true;
    trail->whole = false;
    tp_python_take(guard, &backtrace->python);
    if (!tpi_leave_shim(&stack, &frame)) return;
    uintptr_t loop =
        stack.shift == 0 && backtrace->python.loop > frame.sp ? backtrace->python.loop : UINTPTR_MAX;
    trail->hook = (const uintptr_t *)frame.fp_at;
    trail->whole = stack.shift == 0;
    for (unsigned steps = 0; steps < TPI_MAX_STEPS; steps++) {
        bool fresh = frame.pc != previous;
        if (fresh) {
            if (backtrace->n_frames == TP_MAX_FRAMES) return;
            backtrace->frames[backtrace->n_frames++] = previous = frame.pc;
        }
        uintptr_t fp_at = frame.fp_at;
        enum tp_step step = tp_step_out(&stack, &frame);
        if (frame.sp > loop) { /* it is the evaluation loop that was left */
            backtrace->n_frames -= fresh;
            backtrace->truncated = false;
            return;
        }
        if (step == TP_STEP_END) backtrace->truncated = false;
        if (step != TP_STEP_ON) return;
        tpi_note_step(trail, &frame, fp_at, steps == 0);
    }
}

void __attribute__((noinline)) tp_unwind(tp_guard *guard, struct tp_backtrace *backtrace) {
    struct tp_trail trail;
    tp_unwind_trail(guard, backtrace, &trail);
}
