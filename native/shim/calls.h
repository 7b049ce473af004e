/* calls.h - what a call instruction calls, told from the address that it returns to. A function that ends in
 * a jump to another leaves no frame of its own, but its caller's instruction still names it. */
#ifndef TP_CALLS_H
#define TP_CALLS_H

#include "objects.h"

/* The function that the call before `return_address` in the object leads to, through the object's own tables
 * if need be; 0: it cannot be told. */
uintptr_t tp_call_target(const struct tp_object *object, uintptr_t return_address);

#endif
