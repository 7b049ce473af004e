/* snapshot.c - finds the ranges in /proc/self/maps: those of memkind's file whole, because its bookkeeping
 * lies between the objects; of our own files the pages that the pagemap gives to the tier. */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "../shim/pagemap.h"
#include "pages.h"
#include "tier_pmem.h"

struct tpi_copy {
    char *original;
    char *copy;
    size_t size;
    int prot;
};

struct tpi_mapping {
    uintptr_t start, end;
    int prot;
    uint64_t device, inode;
    const char *path;
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

/* The parts of one of our files' mapping that objects live in. */
static bool tpi_copy_objects(const struct tpi_mapping *mapping, unsigned tier) {
    bool all = true;
    for (uintptr_t at = mapping->start; at < mapping->end;) {
        uintptr_t end = at;
        while (end < mapping->end && tp_pagemap_tier(end) == tier)
            end += TPI_PAGE_BYTES;
        if (end > at) all &= tpi_copy_range(at, end, mapping->prot);
        at = end > at ? end : at + TPI_PAGE_BYTES;
    }
    return all;
}

/* A line of /proc/self/maps; false if the mapping is not shared or has no file. */
static bool tpi_parse(char *line, struct tpi_mapping *mapping) {
    char *at = line;
    mapping->start = strtoull(at, &at, 16);
    mapping->end = strtoull(at + 1, &at, 16);
    char *flags = at + 1;
    if (strlen(flags) < 5 || flags[3] != 's') return false;
    mapping->prot = (flags[0] == 'r' ? PROT_READ : 0) | (flags[1] == 'w' ? PROT_WRITE : 0) |
                    (flags[2] == 'x' ? PROT_EXEC : 0);
    strtoull(flags + 5, &at, 16); /* offset */
    unsigned long device_major = strtoul(at + 1, &at, 16);
    unsigned long device_minor = strtoul(at + 1, &at, 16);
    mapping->device = makedev(device_major, device_minor);
    mapping->inode = strtoull(at + 1, &at, 10);
    mapping->path = at + strspn(at, " ");
    return mapping->path[0] == '/';
}

static bool tpi_copy_mapping(struct tpi_tier *tiers, unsigned n_tiers, const struct tpi_mapping *mapping) {
    for (unsigned i = 0; i < n_tiers; i++) {
        if (tiers[i].plan->kind != TP_TIER_PMEM || !tiers[i].open) continue;
        if (tpi_pmem_is_memkinds(&tiers[i], mapping->device,
                                 mapping->inode)) /* not our page that keeps its inode */
            return mapping->prot == PROT_NONE || tpi_copy_range(mapping->start, mapping->end, mapping->prot);
    }
    bool all = true;
    for (unsigned i = 0; i < n_tiers; i++)
        if (tiers[i].plan->kind == TP_TIER_PMEM && tiers[i].open) all &= tpi_copy_objects(mapping, i);
    return all;
}

/* The whole file in fresh pages, with a final NUL: it must not change while copies are made. */
static char *tpi_read_maps(size_t *bytes) {
    for (*bytes = (size_t)1 << 20;; *bytes *= 4) {
        char *text = tp_raw_pages(*bytes);
        size_t got = text ? tp_raw_read_file("/proc/self/maps", text, *bytes) : 0;
        if (text == NULL || (got > 0 && got < *bytes)) return text;
        tp_raw_munmap(text, *bytes);
        if (got == 0) return NULL;
    }
}

bool tpi_snapshot_take(struct tpi_tier *tiers, unsigned n_tiers) {
    size_t bytes;
    char *text = tpi_read_maps(&bytes);
    if (text == NULL) return false;
    bool all = true;
    for (char *line = text; *line != 0;) {
        char *end = strchr(line, '\n');
        if (end == NULL) break;
        *end = 0;
        struct tpi_mapping mapping;
        if (tpi_parse(line, &mapping)) all &= tpi_copy_mapping(tiers, n_tiers, &mapping);
        line = end + 1;
    }
    tp_raw_munmap(text, bytes);
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
