/* identity.h - by what a loaded object is recognised in the recipes: its build-id, or where it has none (the
 * wheels of some projects) its file's name and size. */
#ifndef TP_IDENTITY_H
#define TP_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "../shim/objects.h"

enum { TPI_IDENTITY_BYTES = 32 };

/* Writes the identity, and returns how many bytes it has; 0: the object has none. Async-signal-safe. */
size_t tpi_identity_of(const struct tp_object *object, uint8_t identity[TPI_IDENTITY_BYTES]);

#endif
