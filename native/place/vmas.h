/* vmas.h - may the mappings of a range be replaced by copies, and what must the copies' mappings be told? */
#ifndef TP_VMAS_H
#define TP_VMAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/control.h"

/* TP_STAY_NONE: all of it is readable and writable. Otherwise why it must stay. This and the next use static
 * memory: one mover at a time. */
enum tp_stay tpi_vmas_accessible(uintptr_t start, uintptr_t end);

/* TP_STAY_NONE: it is neither locked into memory, nor watched, nor kept from children. `advised`: the program
 * has given lasting advice about some memory, to be looked for; tpi_vmas_advise gives the same about other
 * memory. */
struct tpi_advice {
    unsigned which; /* bits, in the order of a table in vmas.c */
};
enum tp_stay tpi_vmas_special(uintptr_t start, uintptr_t end, bool advised, struct tpi_advice *advice);
void tpi_vmas_advise(void *address, size_t size, struct tpi_advice advice, bool pages_too);

#endif
