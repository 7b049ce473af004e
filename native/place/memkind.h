/* memkind.h - libmemkind's file-backed kind, opened at run time, with its hazards fenced in.
 *
 * - It reads MEMKIND_HOG_MEMORY once; without it Debian's 1.14 crashes with two threads.
 * - It keeps a descriptor of its file for life. A program may close that and get the number again for a file
 * of its own, which memkind would then make larger: so the descriptor is checked before memkind may use it.
 * - Its destructor unmaps memory that others may still hold: it is kept from running.
 * - It is asked only about pointers that it gave.
 */
#ifndef TP_MEMKIND_H
#define TP_MEMKIND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tpi_memkind {
    int (*posix_memalign)(void *kind, void **memory, size_t align, size_t size);
    void (*free)(void *kind, void *memory);
    void *kind;
    int fd; /* memkind's, of its file */
    dev_t device;
    ino_t inode;
    bool usable; /* may still allocate; freeing is possible in any case */
};

/* NULL, or in words why memkind is not used. */
const char *tpi_memkind_open(struct tpi_memkind *memkind, const char *folder);

/* NULL: it has none. */
void *tpi_memkind_allocate(struct tpi_memkind *memkind, size_t size, size_t align);

#endif
