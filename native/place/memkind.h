/* memkind.h - libmemkind's kinds for the small objects of a tier, opened at run time, with its hazards fenced
 * in.
 *
 * - It reads MEMKIND_HOG_MEMORY once; without it Debian's 1.14 crashes with two threads.
 * - A file-backed kind keeps a descriptor of its file for life. A program may close that and get the number
 * again for a file of its own, which memkind would then make larger: so the descriptor is checked before
 * memkind may use it.
 * - A kind of the DAX_KMEM family that the machine has not got makes memkind abort the process when it is
 * first used: so memkind is asked for it before, once. It binds its memory, and a node that is full then
 * calls the OOM killer: so it is not asked for more unless the node has room for that.
 * - Where its file has hardly any room left, it forgets the alignment that it was asked for: what it gives is
 * checked.
 * - Its destructor unmaps memory that others may still hold: it is kept from running.
 * - It is asked only about pointers that it gave.
 */
#ifndef TP_MEMKIND_H
#define TP_MEMKIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tier.h"

/* NULL, or in words why memkind does not serve the tier: a file in the tier's folder, or one of the DAX_KMEM
 * family by the tier's policy, where `room_bytes` tells what its nodes have left. */
const char *tpi_memkind_open_file(struct tpi_tier *tier);
const char *tpi_memkind_open_kmem(struct tpi_tier *tier, uint64_t (*room_bytes)(const struct tpi_tier *tier));

/* NULL: it has none, or does not serve the tier. */
void *tpi_memkind_allocate(struct tpi_tier *tier, size_t size, size_t align);

/* Did the tier's kind give this address? */
bool tpi_memkind_owns(struct tpi_tier *tier, void *address);
void tpi_memkind_release(struct tpi_tier *tier, void *address);

/* It is never to be released. */
void tpi_memkind_forget(struct tpi_tier *tier, void *address);

/* Is this the file of the tier's kind? */
bool tpi_memkind_is_file(const struct tpi_tier *tier, uint64_t device, uint64_t inode);

void tpi_memkind_lock(struct tpi_tier *tier);
void tpi_memkind_unlock(struct tpi_tier *tier);
void tpi_memkind_lock_renew(struct tpi_tier *tier); /* in a forked child */

/* A forked child frees what it has inherited, but its memkind would make the parent's file larger. */
void tpi_memkind_stop(struct tpi_tier *tier);

#endif
