/* objects.c - loaded objects by _dl_find_object, or by dl_iterate_phdr where the C library has not got it. */
#include "objects.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#ifdef DLFO_STRUCT_HAS_EH_DBASE /* glibc 2.35 and later */
static int (*tpi_dl_find_object)(void *, struct dl_find_object *);
#endif

enum { TPI_HEADER_BYTES = 4096 }; /* the first page of an object is mapped in every case */

void tp_objects_start(void) {
#ifdef DLFO_STRUCT_HAS_EH_DBASE
    *(void **)&tpi_dl_find_object = dlsym(RTLD_DEFAULT, "_dl_find_object");
#endif
}

struct tpi_search {
    uintptr_t address;
    struct tp_object *object;
};

static int tpi_match(struct dl_phdr_info *info, size_t size, void *argument) {
    struct tpi_search *search = argument;
    struct tp_object object = {UINTPTR_MAX,     0, info->dlpi_addr, info->dlpi_name, NULL, info->dlpi_phdr,
                               info->dlpi_phnum};
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr, end = start + header->p_memsz;
        if (header->p_type == PT_GNU_EH_FRAME) object.eh_frame_hdr = (const uint8_t *)start;
        if (header->p_type != PT_LOAD) continue;
        if (start < object.start) object.start = start;
        if (end > object.end) object.end = end;
    }
    if (search->address < object.start || search->address >= object.end) return 0;
    *search->object = object;
    return 1;
}

#ifdef DLFO_STRUCT_HAS_EH_DBASE
/* False if not all of the object is one range: such an object is told segment by segment, and its headers are
 * not where the range starts. */
static bool tpi_take_whole(const struct dl_find_object *found, struct tp_object *object) {
    const ElfW(Ehdr) *file = found->dlfo_map_start;
    if (memcmp(file->e_ident, ELFMAG, SELFMAG) != 0 || file->e_phentsize != sizeof(ElfW(Phdr))) return false;
    if (file->e_phoff + (size_t)file->e_phnum * sizeof(ElfW(Phdr)) > TPI_HEADER_BYTES) return false;
    const char *name = found->dlfo_link_map->l_name;
    *object = (struct tp_object){(uintptr_t)file,
                                 (uintptr_t)found->dlfo_map_end,
                                 found->dlfo_link_map->l_addr,
                                 name != NULL ? name : "",
                                 found->dlfo_eh_frame,
                                 (const char *)file + file->e_phoff,
                                 file->e_phnum};
    uintptr_t frames = (uintptr_t)object->eh_frame_hdr;
    return frames == 0 || (frames >= object->start && frames < object->end);
}
#endif

bool tp_object_find(uintptr_t address, struct tp_object *object) {
#ifdef DLFO_STRUCT_HAS_EH_DBASE
    struct dl_find_object found;
    if (tpi_dl_find_object != NULL) {
        if (tpi_dl_find_object((void *)address, &found) != 0) return false;
        if (tpi_take_whole(&found, object)) return true;
    }
#endif
    struct tpi_search search = {address, object};
    return dl_iterate_phdr(tpi_match, &search) != 0;
}

static size_t tpi_build_id_in_notes(const uint8_t *at, const uint8_t *end, uint8_t *build_id, size_t limit) {
    while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        const uint8_t *name = at + sizeof note;
        uint64_t name_bytes = (note.n_namesz + 3ull) & ~3ull, rest = (uint64_t)(end - name);
        if (name_bytes > rest || note.n_descsz > rest - name_bytes) return 0;
        const uint8_t *description = name + name_bytes;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
            size_t bytes = note.n_descsz < limit ? note.n_descsz : limit;
            memcpy(build_id, description, bytes);
            return bytes;
        }
        uint64_t padded = (note.n_descsz + 3ull) & ~3ull;
        if (padded > rest - name_bytes) return 0;
        at = description + padded;
    }
    return 0;
}

size_t tp_object_build_id(const struct tp_object *object, uint8_t *build_id, size_t limit) {
    const ElfW(Phdr) *headers = object->program_headers;
    for (unsigned i = 0; i < object->n_program_headers; i++) {
        const uint8_t *notes = (const uint8_t *)(object->bias + headers[i].p_vaddr);
        if (headers[i].p_type != PT_NOTE || (uintptr_t)notes < object->start) continue;
        if ((uintptr_t)notes + headers[i].p_memsz > object->end) continue;
        size_t bytes = tpi_build_id_in_notes(notes, notes + headers[i].p_memsz, build_id, limit);
        if (bytes > 0) return bytes;
    }
    return 0;
}

static int tpi_count_unloaded(struct dl_phdr_info *info, size_t size, void *argument) {
    *(uint64_t *)argument = info->dlpi_subs;
    return 1;
}

uint64_t tp_objects_unloaded(void) {
    uint64_t unloaded = 0;
    dl_iterate_phdr(tpi_count_unloaded, &unloaded);
    return unloaded;
}
