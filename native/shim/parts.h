/* parts.h - allocations of sites whose plan splits objects by address range: which of them are split, and
 * what the records say of it. */
#ifndef TP_PARTS_H
#define TP_PARTS_H

#include "maps.h"
#include "owners.h"
#include "sites.h"

/* The site as an allocation of `size` bytes meets it: without parts, and with the one tier that it belongs
 * to, where it is too small to be in several. */
static inline struct tp_site tp_parts_site(struct tp_site site, size_t size);

/* The records of where its parts were born, behind that of its birth: of each range that is in another tier
 * than the owner says. */
void tp_parts_record(tp_guard *guard, const struct tp_owner *owner, uint64_t time_ns);

/* Adds a mapping that is split range by range, each with its tier; false: one of them could not be. */
bool tp_parts_add_map(tp_guard *guard, const struct tp_map *map);

struct tp_site tpi_parts_cut(struct tp_site site, size_t size);

static inline struct tp_site tp_parts_site(struct tp_site site, size_t size) {
    return __builtin_expect(site.parts == 0, 1) ? site : tpi_parts_cut(site, size);
}

#endif
