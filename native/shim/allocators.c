/* allocators.c - see allocators.h. */
#include "allocators.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "hooks.h"
#include "meta.h"
#include "symbol.h"

enum { TPI_NOTE_BYTES = 512 };

/* How the allocators that are known are told: by a function that a library exports, or by what they print or
 * read from the environment, where they are linked into a program, which exports nothing. */
static const struct {
    const char *function, *text, *name;
} tpi_known[] = {
    [TP_ALLOCATOR_OTHER] = {NULL, NULL, "an allocator of its own"},
    [TP_ALLOCATOR_JEMALLOC] = {"mallctl", "<jemalloc>: ", "jemalloc"},
    [TP_ALLOCATOR_MIMALLOC] = {"mi_malloc", "mimalloc: ", "mimalloc"},
    [TP_ALLOCATOR_TCMALLOC] = {"tc_malloc", "TCMALLOC_", "tcmalloc"},
};

enum { TPI_KNOWN = sizeof tpi_known / sizeof *tpi_known };

static const char *const tpi_family[] = {
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "posix_memalign",
    "aligned_alloc",
    "valloc",
    "pvalloc",
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
};

enum { TPI_FAMILY = sizeof tpi_family / sizeof *tpi_family };

static struct tp_object tpi_hooked; /* end 0: none */

/* The allocator that is linked into the program, and its family there. */
static enum tp_allocator tpi_own = TP_ALLOCATOR_NONE;
static struct {
    uintptr_t start, end; /* end 0: not the program's */
} tpi_own_family[TPI_FAMILY];

/* Is the text in what the object has in memory and never writes to? */
static bool tpi_says(const struct tp_object *object, const char *text) {
    const ElfW(Phdr) *headers = object->program_headers;
    for (unsigned i = 0; i < object->n_program_headers; i++) {
        const ElfW(Phdr) *header = &headers[i];
        if (header->p_type != PT_LOAD || (header->p_flags & (PF_R | PF_W)) != PF_R) continue;
        if (memmem((const void *)(object->bias + header->p_vaddr), header->p_filesz, text, strlen(text)) !=
            NULL)
            return true;
    }
    return false;
}

static enum tp_allocator tpi_identify(const struct tp_object *object) {
    for (unsigned i = TP_ALLOCATOR_OTHER + 1; i < TPI_KNOWN; i++)
        if (tp_symbol_find(object, tpi_known[i].function) != NULL) return (enum tp_allocator)i;
    for (unsigned i = TP_ALLOCATOR_OTHER + 1; i < TPI_KNOWN; i++)
        if (tpi_says(object, tpi_known[i].text)) return (enum tp_allocator)i;
    return TP_ALLOCATOR_OTHER;
}

static void tpi_learn_family(const struct tp_object *object) {
    for (unsigned i = 0; i < TPI_FAMILY; i++) {
        size_t size = 0;
        uintptr_t start = (uintptr_t)tp_symbol_sized(object, tpi_family[i], &size);
        tpi_own_family[i].start = start;
        tpi_own_family[i].end = start != 0 ? start + size : 0;
    }
}

bool tp_allocators_start(tp_guard *guard) {
    bool hooked;
    char text[TPI_NOTE_BYTES];
    struct tp_object object;
    const char *path = tp_real_foreign_malloc(&object, &hooked);
    if (path == NULL) return true;
    if (path[0] == '\0') path = tp_meta_program();
    enum tp_allocator allocator = tpi_identify(&object);
    const char *name = tpi_known[allocator].name;
    if (hooked) {
        tpi_hooked = object;
        snprintf(text, sizeof text, "%s (%s)", path, name);
    } else {
        tpi_own = allocator;
        tpi_learn_family(&object);
        snprintf(text, sizeof text, "%s has %s linked in, whose mappings are one object", path, name);
    }
    tp_meta_note(guard, TP_NOTE_FOREIGN_MALLOC, hooked, text);
    return hooked;
}

bool tp_allocator_hooked_at(uintptr_t address) {
    return address >= tpi_hooked.start && address < tpi_hooked.end;
}

enum tp_allocator tp_allocator_of(const struct tp_backtrace *backtrace, const struct tp_object *objects) {
    if (tpi_own == TP_ALLOCATOR_NONE) return TP_ALLOCATOR_NONE;
    for (unsigned i = 0; i < backtrace->n_frames; i++) {
        uintptr_t frame = backtrace->frames[i];
        uintptr_t called = objects[i].end != 0 ? tp_call_target(&objects[i], frame) : 0;
        for (unsigned f = 0; f < TPI_FAMILY; f++)
            if ((frame > tpi_own_family[f].start && frame <= tpi_own_family[f].end) ||
                (called != 0 && called == tpi_own_family[f].start))
                return tpi_own;
    }
    return TP_ALLOCATOR_NONE;
}
