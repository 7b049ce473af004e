/* addresses.h - a set of addresses: the shim's own memory of who owns what. memkind crashes when it is asked
 * about a pointer that is not its own. */
#ifndef TP_ADDRESSES_H
#define TP_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tpi_addresses {
    uintptr_t *slots; /* open addressing; 0: empty */
    size_t n_slots, n_used;
};

/* Callers hold a lock. False without memory. */
bool tpi_addresses_add(struct tpi_addresses *set, uintptr_t address);
bool tpi_addresses_has(const struct tpi_addresses *set, uintptr_t address);
bool tpi_addresses_remove(struct tpi_addresses *set, uintptr_t address);

#endif
