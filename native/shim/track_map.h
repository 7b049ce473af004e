/* track_map.h - what the mmap family's slow paths share: how tracked ranges end. */
#ifndef TP_TRACK_MAP_H
#define TP_TRACK_MAP_H

#include "../common/records.h"
#include "maps.h"
#include "sites.h"

static inline uintptr_t tpi_page_end(uintptr_t address) {
    const uintptr_t page_bytes = 4096;
    return (address + page_bytes - 1) & ~(page_bytes - 1);
}

/* What a system call is about to end. */
struct tpi_ending {
    uint64_t time_ns;
    uintptr_t start, end;
    bool tracked; /* any of it */
    struct tp_map_pieces last;
};

/* Takes [start, end) out. More pieces than can be kept end for good: only the last ones could be put back. */
void tpi_begin_ending(tp_guard *guard, uintptr_t start, uintptr_t end, struct tpi_ending *ending);

/* The system call has succeeded; or failed, and nothing has ended. */
void tpi_finish_ending(tp_guard *guard, const struct tpi_ending *ending);
void tpi_cancel_ending(tp_guard *guard, const struct tpi_ending *ending);

/* Under a plan: where the pages are, as long as they are there. */
void tpi_ask_pieces(tp_guard *guard, const struct tp_map_pieces *pieces, uint64_t time_ns);

void tpi_map_record(tp_guard *guard, enum tp_record_type type, const struct tp_map *map, uint64_t time_ns,
                    uint16_t flags, uint32_t aux);

/* The stack and the site of a mapping. False: it is not tracked. */
bool tpi_map_site(tp_guard *guard, size_t size, struct tp_site *site);

/* Takes over a mapping that is there. */
void tpi_map_adopt(tp_guard *guard, struct tp_map *map, struct tp_site site, int prot, int flags);

/* The program's munmap, and its mremap of a range that a shared tier has a part of. */
int tpi_munmap(tp_guard *guard, void *address, size_t size);
void *tpi_remap(tp_guard *guard, void *old, size_t old_size, size_t size, int flags, void *to);

#endif
