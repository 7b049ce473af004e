/* signal_next.h - the functions behind those that signals' files interpose: the next library's, which may be
 * a sanitizer's or the C library's. */
#ifndef TP_SIGNAL_NEXT_H
#define TP_SIGNAL_NEXT_H

#include <dlfcn.h>
#include <stddef.h>

#define TPI_EXPORT __attribute__((visibility("default")))

/* Resolved by a constructor, before the program could call one in a handler; or at first use. */
static inline void *tpi_next_find(void **kept, const char *name) {
    void *found = __atomic_load_n(kept, __ATOMIC_RELAXED);
    if (found == NULL) {
        found = dlsym(RTLD_NEXT, name);
        if (found == NULL) dlerror(); /* an older C library; the program is not to be told */
        __atomic_store_n(kept, found, __ATOMIC_RELAXED);
    }
    return found;
}

/* TPI_NEXT(name) is the function; in a file that lists its names in TPI_NEXT_TABLE(X). */
#define TPI_NEXT_KEPT(name) static void *tpi_next_##name;
#define TPI_NEXT_EARLY(name) tpi_next_find(&tpi_next_##name, #name);
#define TPI_NEXT(name) ((__typeof__(&name))tpi_next_find(&tpi_next_##name, #name))
#define TPI_NEXT_TABLE(NAMES)                                                                                \
    NAMES(TPI_NEXT_KEPT)                                                                                     \
    static __attribute__((constructor(101))) void tpi_next_early(void) {                                     \
        NAMES(TPI_NEXT_EARLY)                                                                                \
    }

#endif
