/* addresses.c - linear probing, at most half full, no tombstones: removal shifts back what follows. */
#include "addresses.h"

#include "../common/hash.h"
#include "pages.h"

#define TPI_FIRST_SLOTS 4096u

static size_t tpi_home(const struct tpi_addresses *set, uintptr_t address) {
    return tp_hash_word(0, address) & (set->n_slots - 1);
}

/* Where the address is, or the empty slot where it would be. */
static size_t tpi_slot_of(const struct tpi_addresses *set, uintptr_t address) {
    size_t slot = tpi_home(set, address);
    while (set->slots[slot] != 0 && set->slots[slot] != address)
        slot = (slot + 1) & (set->n_slots - 1);
    return slot;
}

static bool tpi_enlarge(struct tpi_addresses *set) {
    struct tpi_addresses larger = {NULL, set->n_slots ? 2 * set->n_slots : TPI_FIRST_SLOTS, set->n_used};
    larger.slots = tp_raw_pages(larger.n_slots * sizeof *larger.slots);
    if (larger.slots == NULL) return false;
    for (size_t i = 0; i < set->n_slots; i++)
        if (set->slots[i] != 0) larger.slots[tpi_slot_of(&larger, set->slots[i])] = set->slots[i];
    if (set->slots != NULL) tp_raw_munmap(set->slots, set->n_slots * sizeof *set->slots);
    *set = larger;
    return true;
}

bool tpi_addresses_add(struct tpi_addresses *set, uintptr_t address) {
    if (2 * (set->n_used + 1) > set->n_slots && !tpi_enlarge(set)) return false;
    size_t slot = tpi_slot_of(set, address);
    if (set->slots[slot] == 0) set->n_used++;
    set->slots[slot] = address;
    return true;
}

bool tpi_addresses_has(const struct tpi_addresses *set, uintptr_t address) {
    return set->n_slots > 0 && set->slots[tpi_slot_of(set, address)] == address;
}

bool tpi_addresses_remove(struct tpi_addresses *set, uintptr_t address) {
    if (!tpi_addresses_has(set, address)) return false;
    size_t mask = set->n_slots - 1, hole = tpi_slot_of(set, address);
    for (size_t at = (hole + 1) & mask; set->slots[at] != 0; at = (at + 1) & mask) {
        size_t from_home = (at - tpi_home(set, set->slots[at])) & mask;
        if (from_home < ((at - hole) & mask)) continue; /* it would come before its home */
        set->slots[hole] = set->slots[at];
        hole = at;
    }
    set->slots[hole] = 0;
    set->n_used--;
    return true;
}
