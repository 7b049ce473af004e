/* objects.h - which loaded ELF object holds an address: the only code that asks the dynamic linker. */
#ifndef TP_OBJECTS_H
#define TP_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tp_object {
    uintptr_t start, end;
    uintptr_t bias;              /* link_map l_addr */
    const char *name;            /* the linker's; "" for the program itself */
    const uint8_t *eh_frame_hdr; /* NULL: none */
    const void *program_headers; /* NULL: not found */
    unsigned n_program_headers;
};

/* Resolves _dl_find_object (glibc 2.35 and later, lock-free). */
void tp_objects_start(void);

/* Never call it with a lock of the shim held: before glibc 2.35, and for objects with gaps, it takes the
 * linker's, and a dl_iterate_phdr callback of the program may allocate with that one held. */
bool tp_object_find(uintptr_t address, struct tp_object *object);

/* The object's build-id in its notes. Returns its bytes, at most `limit`; 0: it has none. */
size_t tp_object_build_id(const struct tp_object *object, uint8_t *build_id, size_t limit);

/* How many objects the process has unloaded so far. */
uint64_t tp_objects_unloaded(void);

#endif
