/* pools.c - see pools.h. Known so far: CPython's arenas of small objects. */
#include "pools.h"

#include "symbol.h"

/* CPython's public interface (Include/cpython/objimpl.h): the functions that map and unmap arenas. */
struct tpi_arena_allocator {
    void *context;
    void *(*allocate)(void *context, size_t size);
    void (*release)(void *context, void *address, size_t size);
};

/* Upper bound for the length of CPython's arena function, which does nothing but call mmap and compare. */
enum { TPI_ARENA_FUNCTION_BYTES = 192 };

bool tp_pool_maps_at(const struct tp_object *object, uintptr_t address) {
    void (*get)(struct tpi_arena_allocator *);
    *(void **)&get = tp_symbol_find(object, "PyObject_GetArenaAllocator");
    if (get == NULL) return false;
    struct tpi_arena_allocator arenas = {0};
    get(&arenas); /* copies three words */
    uintptr_t function = (uintptr_t)arenas.allocate;
    return address > function && address - function < TPI_ARENA_FUNCTION_BYTES;
}
