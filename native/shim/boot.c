/* boot.c - a static arena with a bump pointer, and each block's size in front of it. */
#include "boot.h"

#include <stdint.h>

#include "pagemap.h"

enum { TPI_ARENA_BYTES = 256 * 1024, TPI_PREFIX_BYTES = 16 };

static _Alignas(1 << TPI_PAGE_SHIFT) char tpi_arena[TPI_ARENA_BYTES];
static size_t tpi_used;

void *tp_boot_allocate(size_t size, size_t align) {
    if (align < TPI_PREFIX_BYTES) align = TPI_PREFIX_BYTES;
    size_t used = __atomic_load_n(&tpi_used, __ATOMIC_RELAXED), start, end;
    do {
        start = (used + TPI_PREFIX_BYTES + align - 1) & ~(align - 1);
        if (__builtin_add_overflow(start, size, &end) || end > TPI_ARENA_BYTES) return NULL;
    } while (!__atomic_compare_exchange_n(&tpi_used, &used, end, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    if (tp_pagemap_add_start((uintptr_t)tpi_arena + start) != 0) return NULL;
    *(size_t *)(void *)(tpi_arena + start - sizeof(size_t)) = size;
    return tpi_arena + start;
}

bool tp_boot_owns(const void *address) {
    return (const char *)address >= tpi_arena && (const char *)address < tpi_arena + TPI_ARENA_BYTES;
}

size_t tp_boot_size(const void *address) {
    return *(const size_t *)(const void *)((const char *)address - sizeof(size_t));
}
