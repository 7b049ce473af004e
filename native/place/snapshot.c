/* snapshot.c - finds the ranges in /proc/self/maps: those of memkind's file whole, because its bookkeeping
 * lies between the objects; of our own files the pages that the pagemap gives to the tier. */
#include "snapshot.h"

#include <string.h>

#include "../shim/pagemap.h"
#include "mappings.h"
#include "memkind.h"
#include "pages.h"

struct tpi_copy {
    char *original;
    char *copy;
    size_t size;
    int prot;
};

/* Both live only from fork's prepare handler to its end, in which no other fork can begin. */
static struct tpi_copy *tpi_copies;
static size_t tpi_n_copies, tpi_max_copies;

static bool tpi_room_for_one(void) {
    if (tpi_n_copies < tpi_max_copies) return true;
    size_t more = tpi_max_copies ? 2 * tpi_max_copies : 512;
    struct tpi_copy *larger = tp_raw_pages(more * sizeof *larger);
    if (larger == NULL) return false;
    if (tpi_copies != NULL) {
        memcpy(larger, tpi_copies, tpi_n_copies * sizeof *larger);
        tp_raw_munmap(tpi_copies, tpi_max_copies * sizeof *larger);
    }
    tpi_copies = larger;
    tpi_max_copies = more;
    return true;
}

/* By way of the kernel, which reads pages that the program has protected against reading, too. */
static bool tpi_read_own(char *to, const char *from, size_t size) {
    int fd = tp_raw_open("/proc/self/mem", O_RDONLY, 0);
    while (fd >= 0 && size > 0) {
        ssize_t part = syscall(SYS_pread64, fd, to, size, (off_t)(uintptr_t)from);
        if (part <= 0) break;
        to += part;
        from += part;
        size -= (size_t)part;
    }
    if (fd >= 0) tp_raw_close(fd);
    return size == 0;
}

static bool tpi_copy_range(uintptr_t start, uintptr_t end, int prot) {
    size_t size = end - start;
    char *original = (char *)start;
    char *copy = tpi_room_for_one() ? tpi_pages_map(size, TPI_PAGE_BYTES) : NULL;
    if (copy == NULL) return false;
    if (prot & PROT_READ)
        memcpy(copy, original, size);
    else if (!tpi_read_own(copy, original, size)) {
        tp_raw_munmap(copy, size);
        return false;
    }
    tpi_copies[tpi_n_copies++] = (struct tpi_copy){original, copy, size, prot};
    return true;
}

static bool tpi_holds_objects(const struct tpi_mapping *mapping, unsigned tier) {
    for (uintptr_t at = mapping->start; at < mapping->end; at += TPI_PAGE_BYTES)
        if (tp_pagemap_tier(at) == tier) return true;
    return false;
}

/* The parts of one of our files' mapping that objects live in; of huge pages all, because nothing can be
 * mapped over a part of one. */
static bool tpi_copy_objects(const struct tpi_mapping *mapping, const struct tpi_tier *of) {
    unsigned tier = of->index;
    bool all = true;
    if (of->granule_bytes > TPI_PAGE_BYTES)
        return !tpi_holds_objects(mapping, tier) ||
               tpi_copy_range(mapping->start, mapping->end, mapping->prot);
    for (uintptr_t at = mapping->start; at < mapping->end;) {
        uintptr_t end = at;
        while (end < mapping->end && tp_pagemap_tier(end) == tier)
            end += TPI_PAGE_BYTES;
        if (end > at) all &= tpi_copy_range(at, end, mapping->prot);
        at = end > at ? end : at + TPI_PAGE_BYTES;
    }
    return all;
}

static bool tpi_copy_mapping(struct tpi_tier *tiers, unsigned n_tiers, const struct tpi_mapping *mapping) {
    for (unsigned i = 0; i < n_tiers; i++) {
        if (!tpi_tier_is_shared(&tiers[i])) continue;
        if (tpi_memkind_is_file(&tiers[i], mapping->device,
                                mapping->inode)) /* not our page that keeps its inode */
            return mapping->prot == PROT_NONE || tpi_copy_range(mapping->start, mapping->end, mapping->prot);
    }
    bool all = true;
    for (unsigned i = 0; i < n_tiers; i++)
        if (tpi_tier_is_shared(&tiers[i])) all &= tpi_copy_objects(mapping, &tiers[i]);
    return all;
}

bool tpi_snapshot_take(struct tpi_tier *tiers, unsigned n_tiers) {
    struct tpi_mappings mappings;
    struct tpi_mapping mapping;
    if (!tpi_mappings_open(&mappings)) return false;
    bool all = true;
    while (tpi_mappings_next(&mappings, &mapping))
        if (mapping.shared && mapping.path[0] == '/') all &= tpi_copy_mapping(tiers, n_tiers, &mapping);
    tpi_mappings_close(&mappings);
    return all;
}

static void tpi_forget(void) {
    if (tpi_copies != NULL) tp_raw_munmap(tpi_copies, tpi_max_copies * sizeof *tpi_copies);
    tpi_copies = NULL;
    tpi_n_copies = tpi_max_copies = 0;
}

void tpi_snapshot_install(void) {
    for (size_t i = 0; i < tpi_n_copies; i++) {
        const struct tpi_copy *copy = &tpi_copies[i];
        if (copy->prot != (PROT_READ | PROT_WRITE)) tpi_mprotect(copy->copy, copy->size, copy->prot);
        tpi_mremap(copy->copy, copy->size, copy->size, copy->original);
    }
    tpi_forget();
}

void tpi_snapshot_discard(void) {
    for (size_t i = 0; i < tpi_n_copies; i++)
        tp_raw_munmap(tpi_copies[i].copy, tpi_copies[i].size);
    tpi_forget();
}
