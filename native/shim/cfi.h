/* cfi.h - reads .eh_frame: how the caller's stack pointer and frame pointer follow from those of a function
 * that is stopped at a given instruction. A subset that says "unknown" on any doubt; x86-64 only.
 *
 * Why not libgcc's unwinder: it takes tens of microseconds for a deep stack, may allocate, and follows
 * registers that no allocation site needs.
 */
#ifndef TP_CFI_H
#define TP_CFI_H

#include <stdint.h>

enum tp_rule_kind {
    TP_RULE_NONE = 0,    /* no rule here (an empty cache entry) */
    TP_RULE_UNKNOWN = 1, /* unwinding stops: the stack is cut short */
    TP_RULE_END = 2,     /* the outermost frame: the stack is complete */
    TP_RULE_SP = 3,      /* cfa = sp + cfa_offset */
    TP_RULE_FP = 4,      /* cfa = fp + cfa_offset */
    TP_RULE_FP_DEREF = 5 /* cfa = *(fp + cfa_offset): functions that realign their stack */
};

/* The return address is always at cfa - 8; anything else is TP_RULE_UNKNOWN. */
struct tp_rule {
    enum tp_rule_kind kind;
    int64_t cfa_offset;
    int64_t fp_offset; /* the caller's frame pointer is at cfa + fp_offset; 0: it is unchanged */
};

/* The rule for the instruction at `pc`, in the object whose .eh_frame_hdr is at `header`, mapped up to `end`.
 */
struct tp_rule tp_cfi_rule(const uint8_t *header, const uint8_t *end, uintptr_t pc);

#endif
