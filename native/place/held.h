/* held.h - place.h's callers hold the recursion guard; here it is again, for what asks for it as proof. */
#ifndef TP_HELD_H
#define TP_HELD_H

#include "../shim/guard.h"

static inline tp_guard tpi_held(void) {
    return (tp_guard){&tp_self, 0};
}

static inline void tpi_hold_lock(tp_lock *lock) {
    tp_guard guard = tpi_held();
    tp_guard_lock(&guard, lock);
}

static inline void tpi_drop_lock(tp_lock *lock) {
    tp_guard guard = tpi_held();
    tp_guard_unlock(&guard, lock);
}

/* Leaves a formatted note in the trace, the first of its code only. */
void tpi_note(enum tp_note_code code, uint32_t value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
