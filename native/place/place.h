/* place.h - what the hooks ask of placement. One plan a process, read once, immutable afterwards.
 *
 * All functions are called with the recursion guard held (no host allocation inside them reaches the
 * hooks' slow path), from any thread. None fails loudly: where a tier cannot serve, the next one in
 * its spill chain does, at last the system's own allocator. A tier is named by its index in the plan.
 */
#ifndef TP_PLACE_H
#define TP_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/planfile.h"
#include "../common/records.h"

/* Reads TIERPROF_PLAN and TIERPROF_RECIPES, opens tiers, starts emulation. `counters` outlives the process.
 */
void tp_place_start(struct tp_counters *counters);

/* True if a plan is loaded. Cheap: one load. */
bool tp_place_active(void);

/* The tier for a site key; *named tells whether the plan names the site. */
unsigned tp_place_tier_of(uint64_t key_hi, uint64_t key_lo, bool *named);

/* Is the site to change its tier during the run? Its objects must come from tp_place_pages then. */
bool tp_place_moves(uint64_t key_hi, uint64_t key_lo);

/* Does the plan place small objects of any site, so that every allocation must be asked for its call path; or
 * of this one? */
bool tp_place_small(void);
bool tp_place_small_of(uint64_t key_hi, uint64_t key_lo);

/* How the stacks of such sites begin, one site a call, from an index of 0; NULL: there is none left. */
const struct tp_stem *tp_place_next_stem(uint32_t *index);

/* The kind of memory that a tier is; TP_TIER_SYSTEM without a plan. */
enum tp_tier_kind tp_place_tier_kind(unsigned index);

/* Objects of less than so many bytes that stay in DRAM are the C library's, and the plan never asks for them
 * again; 0: it may. */
size_t tp_place_plain_bytes(void);

/* Memory of `size` bytes at `align` (a power of two, 0: any) in a tier or down its spill chain. NULL
 * means: take it from the system's allocator, and call tp_place_account() with the tier in *got. Memory is
 * zeroed where *zeroed is set. Page aligned always, so that pages belong to one object. */
void *tp_place_allocate(unsigned index, size_t size, size_t align, unsigned *got, bool *zeroed);

/* The same, on pages of placement whatever the size, in DRAM, too: for what is to move, and for slabs. NULL:
 * there is no memory. */
void *tp_place_pages(unsigned index, size_t size, size_t align, unsigned *got, bool *zeroed);

/* The parts of a site's objects by address range, as a number above 0; 0: they have none. */
unsigned tp_place_parts_of(uint64_t key_hi, uint64_t key_lo);

/* Are parts of an object of `size` bytes in several tiers, where *index is its own? Otherwise all of it
 * belongs to the tier that *index is then. */
bool tp_place_splits(unsigned parts, size_t size, unsigned *index);

/* Zeroed pages for such an object, each range in its part's tier or down its spill chain; what is where the
 * pagemap tells, and *got is the object's own tier. NULL: there is no memory. */
void *tp_place_split(unsigned parts, unsigned index, size_t size, size_t align, unsigned *got);

/* As tp_place_map, of a fresh mapping for such an object, range by range; what is where the pagemap tells. */
void tp_place_map_split(unsigned parts, unsigned index, void *address, size_t size, bool plain);

/* Are pages of the range in several tiers? */
bool tp_place_is_split(const void *address, size_t size);

/* Makes an object smaller where it is, whatever tiers its pages are in. False: the program has taken pages
 * out of it, and nothing has changed. */
bool tp_place_cut(void *address, size_t old_size, size_t new_size);

/* Gives back what any of these returned; `size` as it was asked for, or as last resized to. */
void tp_place_release(void *address, size_t size, unsigned index);

/* The program is about to unmap [start, end), whole pages of the object, or to map over them: they are its
 * own from now on, and the rest ends with the object. */
void tp_place_tear(void *address, size_t size, uintptr_t start, uintptr_t end);

/* No object that has been handed out was larger. */
size_t tp_place_largest(void);

/* Makes what tp_place_allocate returned larger or smaller, content kept, perhaps at another address. NULL:
 * not possible in this tier now, and nothing has changed. */
void *tp_place_resize(void *address, size_t old_size, size_t new_size, unsigned index);

/* Live-byte accounting for memory that the system's allocator handed out for a tier (kind SYSTEM). */
void tp_place_account(unsigned index, int64_t bytes);

/* Adds what this thread has accounted to the counters, where it is not at once. */
void tp_place_settle(void);

/* Can a mapping of this size be memory? One that is larger than the machine's is address space that the
 * program sets aside, and cheap; to note the tier of each of its pages would not be. */
bool tp_place_is_memory(size_t size);

/* Applies a tier to a fresh anonymous private mapping that the program made; returns the one it got. `plain`:
 * it is readable and writable and has its memory reserved, so that a file can stand in for it. */
unsigned tp_place_map(unsigned index, void *address, size_t size, bool plain);

/* Moves pages of the tier to another address, over what is there, and what is known of them, as one step to a
 * fork. False: errno tells why, and nothing has moved. */
bool tp_place_carry(void *from, size_t size, void *to, unsigned index);

/* Is this a tier whose memory is shared (file-backed)? Its mappings grow and move by tp_track's own steps. */
bool tp_place_is_shared(unsigned index);

/* Takes back what a tier did to the kernel's idea of a range, so that it is one mapping again. */
void tp_place_forget_policy(void *address, size_t size);

/* A second mapping of a part of a shared tier's, that is about to be unmapped by the program: once that is
 * done, its room in the tier is given back through the second one. NULL: not possible, or not needed. */
void *tp_place_double(void *address, size_t size, unsigned index);
void tp_place_drop_double(void *twin, size_t size, bool unmapped);

/* A part, or all, of such a mapping ends. The unmapping itself is the program's. */
void tp_place_unmap(void *address, size_t size, unsigned index);

/* Is any page of the range memory of a shared (file-backed) tier? Then these stand for madvise, and for
 * mprotect where the kernel has refused it: make private, and ask again. 0, or -1 and errno; false: without
 * memory. */
bool tp_place_shares(const void *address, size_t size);
int tp_place_madvise(void *address, size_t size, int advice);
bool tp_place_make_private(void *address, size_t size);

/* Before fork: the stack that this thread runs on is not to be shared with the child. */
void tp_place_leave_stack(void);

/* Fork: before, in the parent, in the child. File-backed memory is shared with a child by nature; the child
 * gets a private copy, so that copy-on-write semantics hold, and starts emulation again. Register the
 * handlers that call these before tp_place_start: memkind registers its own, which must enclose ours
 * (prepare: first; child: last). */
void tp_place_fork_prepare(void);
void tp_place_fork_parent(void);
void tp_place_fork_child(struct tp_counters *counters);

#endif
