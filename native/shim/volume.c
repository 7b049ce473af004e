/* volume.c - see volume.h. */
#include "volume.h"

#include "../common/rawio.h"
#include "options.h"
#include "process.h"
#include "sites.h"
#include "slabs.h"

enum { TPI_SITES = 1 << 17 }; /* those with larger numbers stay as they are */

static int64_t *tpi_volumes; /* memory taken as it is touched */

static int64_t *tpi_table(void) {
    int64_t *table = __atomic_load_n(&tpi_volumes, __ATOMIC_ACQUIRE);
    if (table != NULL) return table;
    int64_t *fresh = tp_raw_pages(TPI_SITES * sizeof *fresh);
    if (fresh == NULL) return NULL;
    if (__atomic_compare_exchange_n(&tpi_volumes, &table, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return fresh;
    tp_raw_munmap(fresh, TPI_SITES * sizeof *fresh);
    return table;
}

void tp_volume_add(tp_guard *guard, uint32_t site, int64_t bytes) {
    int64_t limit = (int64_t)tp_options.small_site_bytes;
    if (limit <= 0 || site >= TPI_SITES) return;
    int64_t *table = tpi_table();
    if (table == NULL) return;
    int64_t before = __atomic_fetch_add(&table[site], bytes, __ATOMIC_RELAXED);
    if (before >= limit || before + bytes < limit) return;
    if (!tp_slabs_on) tp_process_look_at_small();
    tp_site_switch_on(guard, site);
}
