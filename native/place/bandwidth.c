/* bandwidth.c - see bandwidth.h. A thread waits where it is, as it would for memory. */
#include "bandwidth.h"

#include <stddef.h>
#include <sys/mman.h>

#include "../common/rawio.h"
#include "../common/records.h"
#include "registers.h"

#define TPI_CREDIT_NS 5000000u     /* an idle tier does not save up more than that */
#define TPI_LONGEST_NS 1000000000u /* of one wait: the rest is left to whoever comes next */
#define TPI_PAUSES 128

struct tpi_bucket {
    uint64_t busy_until_ns;
};

static struct {
    double ns_per_byte[TP_MAX_TIERS]; /* 0: no cap */
    struct tpi_bucket *buckets;
} tpi_bandwidth;

bool tpi_bandwidth_start(const double *bytes_per_s, unsigned n_tiers) {
    bool any = false;
    for (unsigned i = 0; i < n_tiers && i < TP_MAX_TIERS; i++) {
        tpi_bandwidth.ns_per_byte[i] = bytes_per_s[i] > 0 ? 1e9 / bytes_per_s[i] : 0;
        any |= bytes_per_s[i] > 0;
    }
    if (!any) return true;
    void *shared = tp_raw_mmap(NULL, TP_MAX_TIERS * sizeof(struct tpi_bucket), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tpi_bandwidth.buckets = shared == MAP_FAILED ? NULL : shared;
    return tpi_bandwidth.buckets != NULL;
}

bool tpi_bandwidth_capped(unsigned tier) {
    return tpi_bandwidth.buckets != NULL && tpi_bandwidth.ns_per_byte[tier] > 0;
}

/* Until when the tier is busy, `cost_ns` more included. */
static uint64_t tpi_queue(struct tpi_bucket *bucket, uint64_t now_ns, uint64_t cost_ns) {
    uint64_t before = __atomic_load_n(&bucket->busy_until_ns, __ATOMIC_RELAXED), until;
    do {
        uint64_t earliest = now_ns - TPI_CREDIT_NS;
        until = (before > earliest ? before : earliest) + cost_ns;
    } while (!__atomic_compare_exchange_n(&bucket->busy_until_ns, &before, until, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return until;
}

uint64_t tpi_bandwidth_charge(unsigned tier, uint64_t bytes) {
    uint64_t start_ns = tp_now_ns(), now_ns = start_ns;
    uint64_t until_ns = tpi_queue(&tpi_bandwidth.buckets[tier], now_ns,
                                  (uint64_t)((double)bytes * tpi_bandwidth.ns_per_byte[tier]));
    if (until_ns > start_ns + TPI_LONGEST_NS) until_ns = start_ns + TPI_LONGEST_NS;
    while (now_ns < until_ns) {
        for (int i = 0; i < TPI_PAUSES; i++)
            tpi_pause();
        now_ns = tp_now_ns();
    }
    return now_ns - start_ns;
}
