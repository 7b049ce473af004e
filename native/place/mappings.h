/* mappings.h - what is mapped in this process, as /proc/self/maps tells it. */
#ifndef TP_MAPPINGS_H
#define TP_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tpi_mapping {
    uintptr_t start, end;
    int prot;
    bool shared;
    uint64_t device, inode;
    const char *path; /* "" for anonymous memory; lasts as long as the text */
};

/* The whole file, in pages of its own, so that it stays as it was when it was read. */
struct tpi_mappings {
    char *text, *at;
    size_t bytes;
};

/* False without memory, or if the file cannot be read. */
bool tpi_mappings_open(struct tpi_mappings *mappings);

/* The next one, in order of addresses; false: there is none. */
bool tpi_mappings_next(struct tpi_mappings *mappings, struct tpi_mapping *mapping);

void tpi_mappings_close(struct tpi_mappings *mappings);

/* The mapping that `address` lies in, without its path; false: none, or it cannot be told. */
bool tpi_mapping_of(uintptr_t address, struct tpi_mapping *mapping);

#endif
