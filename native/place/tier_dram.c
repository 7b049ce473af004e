/* tier_dram.c - the system's own memory. Large objects get mappings of their own, so that they are page
 * aligned and can move to another tier and back; what is smaller stays with the C library, which is better at
 * it. */
#include "pages.h"
#include "policy.h"
#include "tier.h"

/* Up to here the C library's heap serves faster than pages can be marked and counted: see
 * benchmarks/malloc_cost.py. It maps larger objects itself at first, at 128 KiB and more. */
#define TPI_OWN_BYTES ((size_t)256 << 10)

static const char *tpi_dram_open(struct tpi_tier *tier) {
    return NULL;
}

static void *tpi_dram_map(struct tpi_tier *tier, size_t size, size_t align) {
    return tpi_pages_map(size, align);
}

/* A fresh mapping is the system's already. */
static bool tpi_dram_adopt(struct tpi_tier *tier, void *address, size_t size) {
    return true;
}

static bool tpi_dram_retarget(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_policy_default(address, size, true);
}

const struct tpi_backend tpi_backend_dram = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_PAGE_BYTES,
    .least_bytes = TPI_OWN_BYTES,
    .open = tpi_dram_open,
    .map = tpi_dram_map,
    .adopt = tpi_dram_adopt,
    .retarget = tpi_dram_retarget,
    .movable = true,
};
