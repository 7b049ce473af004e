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
        uintptr_t link = frame->fp;
        if (!tp_stack_word(stack, link, &frame->fp) ||
            !tp_stack_word(stack, link + sizeof(void *), &frame->pc))
            return false;
        frame->sp = link + 2 * sizeof(void *);
    } while (frame->pc >= tpi_own_start && frame->pc < tpi_own_end);
    return true;
}

void __attribute__((noinline)) tp_unwind(tp_guard *guard, struct tp_backtrace *backtrace) {
    struct tp_frame frame = {0, 0, (uintptr_t)__builtin_frame_address(0)};
    struct tp_stack stack = tp_stack_of(guard, frame.fp);
    uintptr_t previous = 0;
    backtrace->n_frames = 0;
    backtrace->truncated = true;
    if (!tpi_leave_shim(&stack, &frame)) return;
    for (unsigned steps = 0; steps < TPI_MAX_STEPS; steps++) {
        if (frame.pc != previous) {
            if (backtrace->n_frames == TP_MAX_FRAMES) return;
            backtrace->frames[backtrace->n_frames++] = previous = frame.pc;
        }
        enum tp_step step = tp_step_out(&stack, &frame);
        if (step == TP_STEP_END) backtrace->truncated = false;
        if (step != TP_STEP_ON) return;
    }
}
