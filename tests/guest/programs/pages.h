/* pages.h - where the pages of an object really are: by NUMA node (the kernel's move_pages), and whether in
 * persistent memory (page frames against the machine's map). */
#ifndef PAGES_H
#define PAGES_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, NODES = 3, BATCH = 1024 };

struct census {
    size_t pages, node[NODES], persistent, absent; /* absent: of no node that the kernel would name */
};

struct range {
    uint64_t start, end; /* physical addresses, end exclusive */
};

/* A stream's buffer would be one more object, to be placed and counted. */
static __attribute__((constructor)) void keep_streams_out(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
}

static inline int next_persistent(FILE *map, struct range *range) {
    char line[256];
    while (fgets(line, sizeof line, map) != NULL) {
        if (strstr(line, " : Persistent Memory") == NULL) continue;
        if (sscanf(line, "%lx-%lx", &range->start, &range->end) != 2) continue;
        range->end++;
        return 1;
    }
    return 0;
}

static inline size_t persistent_of(const uint64_t *entries, size_t n) {
    const uint64_t present = UINT64_C(1) << 63, frame = (UINT64_C(1) << 55) - 1;
    FILE *map = fopen("/proc/iomem", "r");
    struct range range;
    size_t found = 0;
    while (map != NULL && next_persistent(map, &range))
        for (size_t i = 0; i < n; i++) {
            uint64_t address = (entries[i] & frame) * PAGE_BYTES;
            found += (entries[i] & present) && address >= range.start && address < range.end;
        }
    if (map != NULL) fclose(map);
    return found;
}

/* A page that the kernel's NUMA balancing has marked is of no node until somebody reads it. */
static inline void ask_nodes(size_t n, void **pages, int *nodes) {
    if (syscall(SYS_move_pages, 0, n, pages, NULL, nodes, 0) != 0) exit(90);
    for (size_t i = 0; i < n; i++)
        if (nodes[i] < 0) {
            (void)*(volatile char *)pages[i];
            if (syscall(SYS_move_pages, 0, 1ul, &pages[i], NULL, &nodes[i], 0) != 0) exit(90);
        }
}

static inline void count_batch(char *first, size_t n, struct census *census) {
    void *pages[BATCH];
    int nodes[BATCH];
    uint64_t entries[BATCH];
    for (size_t i = 0; i < n; i++)
        pages[i] = first + i * PAGE_BYTES;
    ask_nodes(n, pages, nodes);
    for (size_t i = 0; i < n; i++)
        if (nodes[i] >= 0 && nodes[i] < NODES)
            census->node[nodes[i]]++;
        else
            census->absent++;
    int fd = open("/proc/self/pagemap", O_RDONLY);
    off_t at = (off_t)((uintptr_t)first / PAGE_BYTES * sizeof *entries);
    if (pread(fd, entries, n * sizeof *entries, at) != (ssize_t)(n * sizeof *entries)) exit(91);
    close(fd);
    census->persistent += persistent_of(entries, n);
    census->pages += n;
}

/* All pages that the object lies on. */
static inline void count_pages(const void *object, size_t size, struct census *census) {
    uintptr_t first = (uintptr_t)object / PAGE_BYTES;
    uintptr_t end = ((uintptr_t)object + size + PAGE_BYTES - 1) / PAGE_BYTES;
    for (; first < end; first += BATCH) {
        size_t n = end - first < BATCH ? end - first : BATCH;
        count_batch((char *)(first * PAGE_BYTES), n, census);
    }
}

static inline int compare_pages(const void *left, const void *right) {
    uintptr_t a = *(const uintptr_t *)left, b = *(const uintptr_t *)right;
    return (a > b) - (a < b);
}

/* All pages that objects of `size` bytes lie on, each page once. */
static inline void count_objects(void *const *objects, size_t n, size_t size, struct census *census) {
    size_t each = size / PAGE_BYTES + 2, all = 0;
    uintptr_t *pages = malloc(n * each * sizeof *pages);
    for (size_t i = 0; i < n; i++)
        for (uintptr_t at = (uintptr_t)objects[i] / PAGE_BYTES;
             at * PAGE_BYTES < (uintptr_t)objects[i] + size; at++)
            pages[all++] = at;
    qsort(pages, all, sizeof *pages, compare_pages);
    for (size_t first = 0, end; first < all; first = end) {
        for (end = first + 1; end < all && pages[end] - pages[end - 1] <= 1; end++) {
        }
        count_pages((void *)(pages[first] * PAGE_BYTES), (pages[end - 1] - pages[first] + 1) * PAGE_BYTES,
                    census);
    }
    free(pages);
}

/* Bytes of transparent huge pages in the mapping in which the object lies. */
static inline size_t huge_bytes(const void *object) {
    char line[512];
    unsigned long start, end, kib = 0;
    int inside = 0;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    if (smaps == NULL) return 0;
    while (fgets(line, sizeof line, smaps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = (uintptr_t)object >= start && (uintptr_t)object < end;
        else if (inside && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
            break;
    }
    fclose(smaps);
    return kib * 1024;
}

static inline void print_census(const char *name, const struct census *census) {
    printf("%s pages %zu", name, census->pages);
    for (int i = 0; i < NODES; i++)
        printf(" node%d %zu", i, census->node[i]);
    printf(" persistent %zu absent %zu\n", census->persistent, census->absent);
    fflush(stdout);
}

static inline void print_pages(const char *name, const void *object, size_t size) {
    struct census census = {0};
    count_pages(object, size, &census);
    print_census(name, &census);
}

static inline void print_objects(const char *name, void *const *objects, size_t n, size_t size) {
    struct census census = {0};
    count_objects(objects, n, size, &census);
    print_census(name, &census);
}

static inline int holds(const unsigned char *memory, size_t size, unsigned char value) {
    for (size_t at = 0; at < size; at++)
        if (memory[at] != value) return 0;
    return 1;
}

/* One line that says whether all content was as written; the program's exit status. */
static inline int say_content(int good) {
    puts(good ? "content good" : "content bad");
    return !good;
}

#endif
