/* identity.c - see identity.h. The layout without a build-id is shared with placer/binary.py. */
#include "identity.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/rawio.h"

static uint64_t tpi_fnv1a(const char *text, const char *end) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (; text < end; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
    return hash;
}

/* Apart, for its frame: samples are taken on the stacks of the program's threads, which may be small. */
static __attribute__((noinline)) size_t tpi_file_identity(const struct tp_object *object,
                                                          uint8_t identity[TPI_IDENTITY_BYTES]) {
    char program[PATH_MAX] = "";
    const char *path = object->name;
    if (path[0] == 0) { /* the program itself */
        path = program;
        if (syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", program, sizeof program - 1) < 0) return 0;
    }
    struct stat file;
    if (stat(path, &file) != 0) return 0;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    uint64_t parts[2] = {tpi_fnv1a(name, name + strlen(name)), (uint64_t)file.st_size};
    memcpy(identity, parts, sizeof parts);
    return sizeof parts;
}

size_t tpi_identity_of(const struct tp_object *object, uint8_t identity[TPI_IDENTITY_BYTES]) {
    size_t bytes = tp_object_build_id(object, identity, TPI_IDENTITY_BYTES);
    return bytes > 0 ? bytes : tpi_file_identity(object, identity);
}
