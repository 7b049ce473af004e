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

/* Memory of `size` bytes at `align` (a power of two, 0: any) in a tier or down its spill chain. NULL
 * means: take it from the system's allocator, and call tp_place_account() with the tier in *got. Memory is
 * zeroed where *zeroed is set. Page aligned always, so that pages belong to one object. */
void *tp_place_allocate(unsigned index, size_t size, size_t align, unsigned *got, bool *zeroed);

/* Gives back what tp_place_allocate returned; `size` as it was asked for, or as last resized to. */
void tp_place_release(void *address, size_t size, unsigned index);

/* Makes what tp_place_allocate returned larger or smaller, content kept, perhaps at another address. NULL:
 * not possible in this tier now, and nothing has changed. */
void *tp_place_resize(void *address, size_t old_size, size_t new_size, unsigned index);

/* Live-byte accounting for memory that the system's allocator handed out for a tier (kind SYSTEM). */
void tp_place_account(unsigned index, int64_t bytes);

/* Applies a tier to a fresh anonymous private mapping that the program made; returns the one it got. Such
 * mappings never go to a file-backed tier: they would lose what programs rely on (MADV_DONTNEED gives
 * zeroes). */
unsigned tp_place_map(unsigned index, void *address, size_t size);

/* A part, or all, of such a mapping ends. The unmapping itself is the program's. */
void tp_place_unmap(void *address, size_t size, unsigned index);

/* Fork: before, in the parent, in the child. File-backed memory is shared with a child by nature; the child
 * gets a private copy, so that copy-on-write semantics hold, and starts emulation again. Register the
 * handlers that call these before tp_place_start: memkind registers its own, which must enclose ours
 * (prepare: first; child: last). */
void tp_place_fork_prepare(void);
void tp_place_fork_parent(void);
void tp_place_fork_child(struct tp_counters *counters);

#endif
