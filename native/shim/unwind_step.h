/* unwind_step.h - one step from a frame to its caller: what differs between processors. */
#ifndef TP_UNWIND_STEP_H
#define TP_UNWIND_STEP_H

#include "stack.h"

struct tp_frame {
    uintptr_t pc; /* a return address */
    uintptr_t sp, fp;
    uintptr_t pc_at, fp_at; /* the words of the stack where they were read */
    bool by_fp;             /* the last step went by the frame pointer that it started from ... */
    uintptr_t cfa_at;       /* ... and by this word of the stack; 0: by none */
};

enum tp_step {
    TP_STEP_ON,   /* the frame is now its caller's */
    TP_STEP_END,  /* it was the outermost one */
    TP_STEP_DOUBT /* the caller is not known */
};

enum tp_step tp_step_out(const struct tp_stack *stack, struct tp_frame *frame);

/* Drops what is remembered about instructions. */
void tp_step_forget(void);

#endif
