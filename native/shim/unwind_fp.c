/* unwind_fp.c - steps by frame pointers, for processors without an interpreter of call frame information
 * here. */
#if !defined(__x86_64__)

#include "unwind_step.h"

enum tp_step tp_step_out(const struct tp_stack *stack, struct tp_frame *frame) {
    uintptr_t link = frame->fp;
    if (link == 0) return TP_STEP_END;
    if (link < frame->sp) return TP_STEP_DOUBT;
    if (!tp_stack_word(stack, link, &frame->fp) || !tp_stack_word(stack, link + sizeof(void *), &frame->pc))
        return TP_STEP_DOUBT;
    frame->sp = link + 2 * sizeof(void *);
    frame->fp_at = link;
    frame->pc_at = link + sizeof(void *);
    frame->by_fp = true;
    return frame->pc != 0 ? TP_STEP_ON : TP_STEP_END;
}

void tp_step_forget(void) {}

#endif
