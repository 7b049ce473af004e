/* tier_emulated.c - DRAM on pages of its own; emulate.c makes it slow. */
#include "pages.h"
#include "policy.h"
#include "tier.h"

static const char *tpi_emulated_open(struct tpi_tier *tier) {
    return NULL;
}

static void *tpi_emulated_map(struct tpi_tier *tier, size_t size, size_t align) {
    return tpi_pages_map(size, align);
}

/* Nothing to do to the pages: the pagemap says whose they are. */
static bool tpi_emulated_adopt(struct tpi_tier *tier, void *address, size_t size) {
    return true;
}

static bool tpi_emulated_retarget(struct tpi_tier *tier, void *address, size_t size) {
    return tpi_policy_default(address, size, true);
}

const struct tpi_backend tpi_backend_emulated = {
    .chunk_bytes = TPI_HUGE_BYTES,
    .large_align = TPI_PAGE_BYTES,
    .open = tpi_emulated_open,
    .map = tpi_emulated_map,
    .adopt = tpi_emulated_adopt,
    .retarget = tpi_emulated_retarget,
    .movable = true,
};
