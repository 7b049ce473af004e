/* symbol.c - see symbol.h. The layout of DT_GNU_HASH: Drepper, "How To Write Shared Libraries", and binutils.
 */
#include "symbol.h"

#include <elf.h>
#include <link.h>
#include <string.h>

struct tpi_tables {
    const ElfW(Sym) * symbols;
    const char *names;
    const uint32_t *hash;
};

/* Most C libraries relocate these pointers when they load the object; musl and the kernel's vdso do not. */
static const void *tpi_pointer(const struct tp_object *object, uintptr_t value) {
    return (const void *)(value >= object->start && value < object->end ? value : object->bias + value);
}

static bool tpi_find_tables(const struct tp_object *object, struct tpi_tables *tables) {
    const ElfW(Phdr) *headers = object->program_headers;
    const ElfW(Dyn) *entry = NULL;
    for (unsigned i = 0; i < object->n_program_headers; i++)
        if (headers[i].p_type == PT_DYNAMIC) entry = (const void *)(object->bias + headers[i].p_vaddr);
    for (; entry != NULL && entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB) tables->symbols = tpi_pointer(object, entry->d_un.d_ptr);
        if (entry->d_tag == DT_STRTAB) tables->names = tpi_pointer(object, entry->d_un.d_ptr);
        if (entry->d_tag == DT_GNU_HASH) tables->hash = tpi_pointer(object, entry->d_un.d_ptr);
    }
    return tables->symbols != NULL && tables->names != NULL && tables->hash != NULL;
}

static uint32_t tpi_gnu_hash(const char *name) {
    uint32_t hash = 5381;
    for (; *name != 0; name++)
        hash = hash * 33 + (uint8_t)*name;
    return hash;
}

static const ElfW(Sym) * tpi_look_up(const struct tp_object *object, const char *name) {
    struct tpi_tables tables = {0};
    if (!tpi_find_tables(object, &tables)) return NULL;
    uint32_t n_buckets = tables.hash[0], first = tables.hash[1], bloom_words = tables.hash[2];
    if (n_buckets == 0) return NULL;
    const uint32_t *buckets = tables.hash + 4 + bloom_words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = buckets + n_buckets;
    uint32_t wanted = tpi_gnu_hash(name), at = buckets[wanted % n_buckets];
    if (at < first) return NULL;
    for (;; at++) {
        uint32_t hash = chain[at - first];
        const ElfW(Sym) *symbol = &tables.symbols[at];
        if ((hash | 1) == (wanted | 1) && symbol->st_shndx != SHN_UNDEF &&
            strcmp(tables.names + symbol->st_name, name) == 0)
            return symbol;
        if (hash & 1) return NULL; /* the chain's last */
    }
}

void *tp_symbol_find(const struct tp_object *object, const char *name) {
    const ElfW(Sym) *symbol = tpi_look_up(object, name);
    return symbol != NULL ? (void *)(object->bias + symbol->st_value) : NULL;
}

void *tp_symbol_sized(const struct tp_object *object, const char *name, size_t *size) {
    const ElfW(Sym) *symbol = tpi_look_up(object, name);
    *size = symbol != NULL ? symbol->st_size : 0;
    return symbol != NULL ? (void *)(object->bias + symbol->st_value) : NULL;
}
