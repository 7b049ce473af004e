/* assigned.h - sites that were given another tier than the plan's while the program runs. */
#ifndef TP_ASSIGNED_H
#define TP_ASSIGNED_H

#include <stdbool.h>
#include <stdint.h>

/* False: there is no room for one more. */
bool tpi_assign(uint64_t key_hi, uint64_t key_lo, unsigned tier);

/* The tier of a site; false: the plan's holds. Cheap while nothing was assigned; takes no lock. */
bool tpi_assigned(uint64_t key_hi, uint64_t key_lo, unsigned *tier);

#endif
