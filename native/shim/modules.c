/* modules.c - the list of modules seen, newest search first. */
#include "modules.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/rawio.h"
#include "meta.h"
#include "python.h"

enum { TPI_BUILD_ID_BYTES = 32, TPI_CAPACITY = 4096 };

static struct tp_module *tpi_modules; /* TPI_CAPACITY of them, memory taken as it is touched */
static uint32_t tpi_count, tpi_first_current;

static const char *tpi_base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The linker keeps what dlopen was given, which may be relative. */
static const char *tpi_absolute(const char *name, char buffer[PATH_MAX]) {
    if (name[0] == '\0') return tp_meta_program();
    if (name[0] == '/' || strchr(name, '/') == NULL) return name;
    long length = syscall(SYS_getcwd, buffer, PATH_MAX); /* counts the final NUL */
    if (length <= 1 || (size_t)length + strlen(name) + 1 > PATH_MAX) return name;
    buffer[length - 1] = '/';
    memcpy(buffer + length, name, strlen(name) + 1);
    return buffer;
}

static struct tp_hash128 tpi_identity(const char *path, const uint8_t *build_id, size_t build_id_bytes) {
    struct tp_hash128 identity = {0, 0};
    if (build_id_bytes > 0) {
        tp_hash128_bytes(&identity, build_id, build_id_bytes);
        return identity;
    }
    struct stat status;
    const char *name = tpi_base_name(path);
    tp_hash128_bytes(&identity, name, strlen(name));
    tp_hash128_word(&identity, stat(path, &status) == 0 ? (uint64_t)status.st_size : 0);
    return identity;
}

static void tpi_write(tp_guard *guard, const struct tp_module *module, const char *path,
                      const uint8_t *build_id, size_t build_id_bytes) {
    struct tp_meta_module record = {
        module->number, (uint32_t)build_id_bytes, module->bias, module->start, module->end, tp_now_ns()};
    struct tp_meta_part parts[] = {
        {&record, sizeof record}, {build_id, build_id_bytes}, {path, strlen(path) + 1}};
    tp_meta_write(guard, TP_META_MODULE, parts, 3);
}

/* Finds out what the object is; it may be one that was unloaded and has come back to its place. */
static const struct tp_module *tpi_identify(tp_guard *guard, const struct tp_object *object) {
    static char buffer[PATH_MAX];
    uint8_t build_id[TPI_BUILD_ID_BYTES];
    const char *path = tpi_absolute(object->name, buffer);
    size_t build_id_bytes = tp_object_build_id(object, build_id, sizeof build_id);
    struct tp_hash128 identity = tpi_identity(path, build_id, build_id_bytes);
    for (uint32_t i = 0; i < tpi_count; i++) {
        const struct tp_module *module = &tpi_modules[i];
        if (module->start == object->start && module->bias == object->bias &&
            module->identity.hi == identity.hi && module->identity.lo == identity.lo) {
            tp_python_meet(guard, object);
            return module;
        }
    }
    if (tpi_modules == NULL) tpi_modules = tp_raw_pages(TPI_CAPACITY * sizeof *tpi_modules);
    if (tpi_modules == NULL || tpi_count == TPI_CAPACITY) return NULL;
    struct tp_module *module = &tpi_modules[tpi_count];
    *module = (struct tp_module){tpi_count++, object->start, object->end, object->bias, identity};
    tpi_write(guard, module, path, build_id, build_id_bytes);
    tp_python_meet(guard, object);
    return module;
}

const struct tp_module *tp_module_of(tp_guard *guard, const struct tp_object *object) {
    for (uint32_t i = tpi_count; i-- > tpi_first_current;)
        if (tpi_modules[i].start == object->start && tpi_modules[i].bias == object->bias)
            return &tpi_modules[i];
    return tpi_identify(guard, object);
}

void tp_modules_forget(void) {
    tpi_first_current = tpi_count;
}

void tp_modules_fork_child(void) {
    tpi_count = tpi_first_current = 0;
}
