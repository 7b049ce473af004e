/* options.c - reads the options from the environment, without allocating. */
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Smaller would track what glibc's smallest chunk holds: all costs, no object anybody could place. */
#define TPI_THRESHOLD_MIN 16u

struct tp_options tp_options;

static bool tpi_read_TEXT(const char *text, tpi_type_TEXT *value) {
    size_t length = strlen(text);
    if (length >= sizeof *value) return false;
    memcpy(*value, text, length + 1);
    return true;
}

/* Decimal digits only: who sets these is tierprof, which has parsed the user's 8GiB already. */
static bool tpi_read_BYTES(const char *text, tpi_type_BYTES *value) {
    uint64_t bytes = 0;
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return false;
        if (__builtin_mul_overflow(bytes, 10u, &bytes) || __builtin_add_overflow(bytes, *text - '0', &bytes))
            return false;
    }
    *value = bytes;
    return true;
}

static void tpi_default_TEXT(const char *text, tpi_type_TEXT *value) {
    tpi_read_TEXT(text, value);
}
static void tpi_default_BYTES(uint64_t bytes, tpi_type_BYTES *value) {
    *value = bytes;
}

/* The program may change its folder, and files are opened by path again and again. */
static bool tpi_make_absolute(tpi_type_TEXT *path) {
    tpi_type_TEXT folder;
    if ((*path)[0] == '\0' || (*path)[0] == '/') return true;
    size_t length = strlen(*path) + 1;
    long folder_bytes = syscall(SYS_getcwd, folder, sizeof folder); /* counts the final NUL */
    if (folder_bytes <= 1 || (size_t)folder_bytes + length > sizeof *path) {
        (*path)[0] = '\0';
        return false;
    }
    memmove(*path + folder_bytes, *path, length);
    memcpy(*path, folder, (size_t)folder_bytes);
    (*path)[folder_bytes - 1] = '/';
    return true;
}

const char *tp_options_read(void) {
    const char *bad = NULL;
#define TPI_READ(field, environment, type, fallback, help)                                                   \
    {                                                                                                        \
        const char *text = getenv(environment);                                                              \
        tpi_default_##type(fallback, &tp_options.field);                                                     \
        if (text != NULL && !tpi_read_##type(text, &tp_options.field)) bad = environment;                    \
    }
    TP_OPTIONS(TPI_READ)
#undef TPI_READ
    if (!tpi_make_absolute(&tp_options.dir)) bad = "TIERPROF_DIR";
    if (tp_options.threshold_bytes < TPI_THRESHOLD_MIN) tp_options.threshold_bytes = TPI_THRESHOLD_MIN;
    return bad;
}
