/* surroundings.c - reads /proc/self/status, the kernel's release, and the program's notes. */
#include "surroundings.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "../common/rawio.h"

/* Before Linux 5.19 an event that strikes while SIGTRAP is blocked kills the process; since then it waits. */
enum { TPI_OLDEST_MAJOR = 5, TPI_OLDEST_MINOR = 19, TPI_STATUS_BYTES = 4096 };

static long tpi_filters_at_start;

/* The number behind `name` in /proc/self/status; 0 if there is none. */
static long tpi_status(const char *name) {
    char text[TPI_STATUS_BYTES];
    size_t bytes = tp_raw_read_file("/proc/self/status", text, sizeof text - 1);
    text[bytes] = '\0';
    const char *line = strstr(text, name);
    return line != NULL ? strtol(line + strlen(name), NULL, 10) : 0;
}

static bool tpi_kernel_kills(void) {
    struct utsname about;
    char *rest;
    if (uname(&about) != 0) return true;
    long major = strtol(about.release, &rest, 10), minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    return major < TPI_OLDEST_MAJOR || (major == TPI_OLDEST_MAJOR && minor < TPI_OLDEST_MINOR);
}

/* Go's linker leaves a note by this name. Its runtime sets all handlers by system calls of its own, and takes
 * a SIGTRAP that it does not expect for a crash. */
static bool tpi_go_note(const char *notes, size_t size) {
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) + 4 <= size;) {
        const ElfW(Nhdr) *note = (const void *)(notes + at);
        if (note->n_namesz == 4 && memcmp(note + 1, "Go\0", 4) == 0) return true;
        at += sizeof *note + ((note->n_namesz + 3u) & ~3u) + ((note->n_descsz + 3u) & ~3u);
    }
    return false;
}

static int tpi_look_for_go(struct dl_phdr_info *info, size_t size, void *found) {
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_NOTE && part->p_align <= 4 &&
            tpi_go_note((const char *)(info->dlpi_addr + part->p_vaddr), part->p_memsz))
            *(bool *)found = true;
    }
    return 1; /* the program itself comes first, and is all that counts */
}

const char *tpi_surroundings_check(void) {
    bool go = false;
    dl_iterate_phdr(tpi_look_for_go, &go);
    tpi_filters_at_start = tpi_status("Seccomp_filters:");
    if (tpi_kernel_kills()) return "this kernel kills a thread that blocks SIGTRAP (Linux 5.19 does not)";
    if (tpi_status("TracerPid:") != 0) return "a debugger traces this process, and would stop at each sample";
    if (go) return "Go's runtime takes all signals for itself";
    return NULL;
}

bool tpi_surroundings_narrowed(void) {
    return tpi_status("Seccomp_filters:") != tpi_filters_at_start;
}
