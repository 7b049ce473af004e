/* deferred.c - see deferred.h. */
#include "deferred.h"

#include <string.h>

#define TPI_DEFERRED_BYTES ((int64_t)256 << 10) /* by so much a thread may hide what lives */

static __thread struct {
    int64_t live_bytes;
    uint64_t allocations, total_bytes;
} tpi_deferred;

/* Never below zero: what ends here may have begun in a thread that has not settled yet, and is kept for the
 * next time. */
static void tpi_settle_live(struct tpi_tier *tier) {
    uint64_t before = __atomic_load_n(&tier->live_bytes, __ATOMIC_RELAXED);
    int64_t by;
    do {
        by = tpi_deferred.live_bytes;
        if (by < 0 && (uint64_t)-by > before) by = -(int64_t)before;
    } while (!__atomic_compare_exchange_n(&tier->live_bytes, &before, before + (uint64_t)by, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    __atomic_fetch_add(&tier->counters->live_bytes, (uint64_t)by, __ATOMIC_RELAXED);
    tpi_deferred.live_bytes -= by;
}

void tpi_deferred_settle(struct tpi_tier *tier) {
    tpi_settle_live(tier);
    tpi_tier_count_many(tier, tpi_deferred.allocations, tpi_deferred.total_bytes);
    tpi_deferred.allocations = tpi_deferred.total_bytes = 0;
}

void tpi_deferred_add(struct tpi_tier *tier, int64_t bytes) {
    tpi_deferred.live_bytes += bytes;
    tpi_deferred.allocations += bytes > 0;
    tpi_deferred.total_bytes += bytes > 0 ? (uint64_t)bytes : 0;
    if (tpi_deferred.live_bytes > TPI_DEFERRED_BYTES || tpi_deferred.live_bytes < -TPI_DEFERRED_BYTES)
        tpi_deferred_settle(tier);
}

void tpi_deferred_forget(void) {
    memset(&tpi_deferred, 0, sizeof tpi_deferred);
}
