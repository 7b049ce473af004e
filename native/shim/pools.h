/* pools.h - allocators that map large pieces and carve small objects out of them. Who happened to need the
 * next piece says nothing of what will lie in it, so the stack is cut at the allocator: one pool, one site.
 */
#ifndef TP_POOLS_H
#define TP_POOLS_H

#include "objects.h"

/* Is the code at `address`, in `object`, a known pool's function that maps its pieces? Takes no lock. */
bool tp_pool_maps_at(const struct tp_object *object, uintptr_t address);

#endif
