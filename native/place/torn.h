/* torn.h - parts of placed objects that the program has unmapped, or mapped something else over, as one may
 * who knows that the C library's large blocks are mappings of their own. They are the program's from then on,
 * and may be another object's before the first one ends: so what is torn is known by object, not by address.
 */
#ifndef TP_TORN_H
#define TP_TORN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [start, end), whole pages of the object at `object`, which are not torn yet, belong to it no more. */
void tpi_torn_add(uintptr_t object, uintptr_t start, uintptr_t end);

/* Is anything of the object torn? Cheap as long as nothing is of any. */
bool tpi_torn_any(uintptr_t object);

/* The object's first torn part that ends behind `at`; false: there is none. */
bool tpi_torn_next(uintptr_t object, uintptr_t at, uintptr_t *start, uintptr_t *end);

/* The object has ended. */
void tpi_torn_drop(uintptr_t object);

void tpi_torn_fork_prepare(void);
void tpi_torn_fork_parent(void);
void tpi_torn_fork_child(void);

#endif
