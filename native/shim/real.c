/* real.c - finds the real functions, and stands in for them until they are found. */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/rawio.h"
#include "boot.h"
#include "hooks.h"
#include "objects.h"

#define TPI_PAGE_BYTES ((size_t)sysconf(_SC_PAGESIZE))

static void *tpi_early_malloc(size_t size) {
    void *address = tp_boot_allocate(size, 1);
    if (address == NULL) errno = ENOMEM;
    return address;
}

static void *tpi_early_memalign(size_t align, size_t size) {
    void *address = (align & (align - 1)) == 0 ? tp_boot_allocate(size, align) : NULL;
    if (address == NULL) errno = ENOMEM;
    return address;
}

static void *tpi_early_calloc(size_t count, size_t size) {
    if (!__builtin_mul_overflow(count, size, &size)) return tpi_early_malloc(size);
    errno = ENOMEM;
    return NULL;
}

static void *tpi_early_realloc(void *old, size_t size) {
    void *address = tpi_early_malloc(size);
    if (old == NULL || address == NULL || !tp_boot_owns(old)) return address;
    size_t old_size = tp_boot_size(old);
    return memcpy(address, old, old_size < size ? old_size : size);
}

static void *tpi_early_reallocarray(void *old, size_t count, size_t size) {
    if (!__builtin_mul_overflow(count, size, &size)) return tpi_early_realloc(old, size);
    errno = ENOMEM;
    return NULL;
}

static int tpi_early_posix_memalign(void **to, size_t align, size_t size) {
    void *address = tpi_early_memalign(align, size);
    if (address == NULL) return ENOMEM;
    *to = address;
    return 0;
}

static void *tpi_early_aligned_alloc(size_t align, size_t size) {
    return tpi_early_memalign(align, size);
}
static void *tpi_early_valloc(size_t size) {
    return tpi_early_memalign(TPI_PAGE_BYTES, size);
}
static void *tpi_early_pvalloc(size_t size) {
    return tpi_early_memalign(TPI_PAGE_BYTES, size + TPI_PAGE_BYTES - 1);
}
static void tpi_early_free(void *address) {}

static size_t tpi_early_malloc_usable_size(void *address) {
    return tp_boot_owns(address) ? tp_boot_size(address) : 0;
}

static void *tpi_early_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset) {
    return tp_raw_mmap(address, size, prot, flags, fd, offset);
}

static void *tpi_early_mmap64(void *address, size_t size, int prot, int flags, int fd, off64_t offset) {
    return tp_raw_mmap(address, size, prot, flags, fd, offset);
}

static int tpi_early_munmap(void *address, size_t size) {
    return tp_raw_munmap(address, size);
}

static void *tpi_early_mremap(void *old, size_t old_size, size_t size, int flags, void *to) {
    return (void *)syscall(SYS_mremap, old, old_size, size, flags, to);
}

static int tpi_early_madvise(void *address, size_t size, int advice) {
    return (int)syscall(SYS_madvise, address, size, advice);
}

static int tpi_early_mprotect(void *address, size_t size, int prot) {
    return (int)syscall(SYS_mprotect, address, size, prot);
}

static int tpi_early_ioctl(int fd, unsigned long request, void *argument) {
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

/* What glibc and its kin know of the break. */
extern void *__curbrk __attribute__((weak));

static void *tpi_early_sbrk(intptr_t increment) {
    char *old = (char *)(&__curbrk != NULL && __curbrk != NULL ? __curbrk : (void *)syscall(SYS_brk, 0));
    if (increment == 0) return old;
    if (&__curbrk != NULL && (void *)syscall(SYS_brk, old + increment) == old + increment) {
        __curbrk = old + increment;
        return old;
    }
    errno = ENOMEM;
    return (void *)-1;
}

static void *tpi_early___sbrk(intptr_t increment) {
    return tpi_early_sbrk(increment);
}

static int tpi_early_dlclose(void *handle) {
    return 0;
}

static bool tpi_resolve(void);

/* What the table holds at first: resolve, then call on. */
#define TPI_FIRST(need, result, name, parameters, arguments)                                                 \
    static result tpi_first_##name parameters {                                                              \
        return tpi_resolve() ? tp_real.name arguments : tpi_early_##name arguments;                          \
    }
TP_HOOKS(TPI_FIRST)

struct tp_real tp_real = {
#define TPI_INITIAL(need, result, name, parameters, arguments) .name = tpi_first_##name,
    TP_HOOKS(TPI_INITIAL)};

/* False while the C library is not ready, and inside dlsym's own allocations. The environment is what the C
 * library's initialisation sets first. */
static bool tpi_resolve(void) {
    static uint32_t state; /* 0: not begun, 1: begun, 2: done */
    uint32_t expected = 0;
    if (environ == NULL) return false;
    if (!__atomic_compare_exchange_n(&state, &expected, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return expected == 2;
#define TPI_RESOLVE(need, result, name, parameters, arguments)                                               \
    {                                                                                                        \
        void *found = dlsym(RTLD_NEXT, #name);                                                               \
        if (found != NULL)                                                                                   \
            *(void **)&tp_real.name = found;                                                                 \
        else                                                                                                 \
            tp_real.name = tpi_early_##name;                                                                 \
    }
    TP_HOOKS(TPI_RESOLVE)
    __atomic_store_n(&state, 2, __ATOMIC_RELEASE);
    return true;
}

/* Does the object at `address` define the function there? A program at a fixed address that takes a
 * function's address has an entry for it in its own tables, which leads to the function all the same. */
static bool tpi_defined(void *address) {
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    if (dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) return true;
    return symbol->st_shndx != SHN_UNDEF;
}

const char *tp_real_foreign_malloc(struct tp_object *object, bool *hooked) {
    struct tp_object libc, own;
    if (!tpi_resolve()) return NULL;
    if (!tp_object_find((uintptr_t)dlsym(RTLD_DEFAULT, "gnu_get_libc_version"), &libc)) return NULL;
    if (!tp_object_find((uintptr_t)&tpi_resolve, &own)) return NULL;
    /* A program that brings its own malloc is asked before any preloaded library; even &malloc is the
     * program's here. */
    void *in_charge = dlsym(RTLD_DEFAULT, "malloc");
    if (!tp_object_find((uintptr_t)in_charge, object)) return NULL;
    *hooked = object->start == own.start || !tpi_defined(in_charge);
    if (*hooked && !tp_object_find((uintptr_t)tp_real.malloc, object)) return NULL;
    return object->start == libc.start ? NULL : object->name;
}
