/* mappings.c - parses /proc/self/maps. */
#include "mappings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "../common/rawio.h"

bool tpi_mappings_open(struct tpi_mappings *mappings) {
    for (size_t bytes = (size_t)1 << 20;; bytes *= 4) {
        char *text = tp_raw_pages(bytes);
        size_t got = text ? tp_raw_read_file("/proc/self/maps", text, bytes) : 0;
        *mappings = (struct tpi_mappings){text, text, bytes};
        if (got > 0 && got < bytes) return true; /* with a final NUL */
        if (text != NULL) tp_raw_munmap(text, bytes);
        if (got == 0) return false;
    }
}

static void tpi_parse(char *line, struct tpi_mapping *mapping) {
    char *at = line;
    mapping->start = strtoull(at, &at, 16);
    mapping->end = strtoull(at + 1, &at, 16);
    char *flags = at + 1;
    mapping->prot = (flags[0] == 'r' ? PROT_READ : 0) | (flags[1] == 'w' ? PROT_WRITE : 0) |
                    (flags[2] == 'x' ? PROT_EXEC : 0);
    mapping->shared = flags[3] == 's';
    strtoull(flags + 5, &at, 16); /* offset */
    unsigned long device_major = strtoul(at + 1, &at, 16);
    unsigned long device_minor = strtoul(at + 1, &at, 16);
    mapping->device = makedev(device_major, device_minor);
    mapping->inode = strtoull(at + 1, &at, 10);
    mapping->path = at + strspn(at, " ");
}

bool tpi_mappings_next(struct tpi_mappings *mappings, struct tpi_mapping *mapping) {
    char *end = strchr(mappings->at, '\n');
    if (end == NULL) return false;
    *end = 0;
    tpi_parse(mappings->at, mapping);
    mappings->at = end + 1;
    return true;
}

void tpi_mappings_close(struct tpi_mappings *mappings) {
    tp_raw_munmap(mappings->text, mappings->bytes);
}

bool tpi_mapping_of(uintptr_t address, struct tpi_mapping *mapping) {
    struct tpi_mappings mappings;
    bool found = false;
    if (!tpi_mappings_open(&mappings)) return false;
    while (!found && tpi_mappings_next(&mappings, mapping))
        found = address >= mapping->start && address < mapping->end;
    tpi_mappings_close(&mappings);
    mapping->path = "";
    return found;
}
