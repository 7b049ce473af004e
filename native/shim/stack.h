/* stack.h - the part of a stack that may be read: an unwinder that follows wrong information must meet a
 * bound, not an unmapped page. */
#ifndef TP_STACK_H
#define TP_STACK_H

#include "guard.h"

/* What a thread's copy of another stack takes. */
#define TP_STACK_COPY_BYTES (4u * 4096u)

/* Words in [low, high) can be read at address + shift. */
struct tp_stack {
    uintptr_t low, high;
    intptr_t shift;
};

/* The stack that `sp` is on, from `sp` upward. */
struct tp_stack tp_stack_of(tp_guard *guard, uintptr_t sp);

static inline bool tp_stack_word(const struct tp_stack *stack, uintptr_t address, uintptr_t *word) {
    if (address < stack->low || address >= stack->high || stack->high - address < sizeof *word) return false;
    if ((address & (sizeof *word - 1)) != 0) return false;
    *word = *(const uintptr_t *)(address + (uintptr_t)stack->shift);
    return true;
}

#endif
