/* boot.h - memory for calls that come before the real functions are known: the dynamic linker's own, and
 * those of dlsym while it looks for them. Never given back; its blocks are starts in the pagemap, so that
 * free() meets them on the slow path only.
 */
#ifndef TP_BOOT_H
#define TP_BOOT_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory; NULL when the arena is used up. `align`: a power of two. */
void *tp_boot_allocate(size_t size, size_t align);

bool tp_boot_owns(const void *address);
size_t tp_boot_size(const void *address); /* as it was asked for */

#endif
