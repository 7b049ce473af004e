/* assigned.c - an array that only grows. It is searched when a call stack is seen for the first time, not at
 * each allocation. Written by one mover at a time. */
#include "assigned.h"

enum { TPI_ASSIGNED = 1024 };

static struct {
    uint64_t key_hi, key_lo;
    uint32_t tier;
} tpi_entries[TPI_ASSIGNED];
static uint32_t tpi_count;

static uint32_t tpi_find(uint64_t key_hi, uint64_t key_lo, uint32_t count) {
    uint32_t at = 0;
    while (at < count && (tpi_entries[at].key_hi != key_hi || tpi_entries[at].key_lo != key_lo))
        at++;
    return at;
}

bool tpi_assign(uint64_t key_hi, uint64_t key_lo, unsigned tier) {
    uint32_t at = tpi_find(key_hi, key_lo, tpi_count);
    if (at == TPI_ASSIGNED) return false;
    __atomic_store_n(&tpi_entries[at].tier, tier, __ATOMIC_RELAXED);
    if (at < tpi_count) return true;
    tpi_entries[at].key_hi = key_hi;
    tpi_entries[at].key_lo = key_lo;
    __atomic_store_n(&tpi_count, at + 1, __ATOMIC_RELEASE);
    return true;
}

bool tpi_assigned(uint64_t key_hi, uint64_t key_lo, unsigned *tier) {
    uint32_t count = __atomic_load_n(&tpi_count, __ATOMIC_ACQUIRE);
    uint32_t at = tpi_find(key_hi, key_lo, count);
    if (at == count) return false;
    *tier = __atomic_load_n(&tpi_entries[at].tier, __ATOMIC_RELAXED);
    return true;
}
