/* symbol.h - dlsym in one object without the dynamic linker's lock, which another thread may hold while it
 * waits for ours. */
#ifndef TP_SYMBOL_H
#define TP_SYMBOL_H

#include "objects.h"

/* The address of an exported function or variable that the object defines; NULL if it defines none. */
void *tp_symbol_find(const struct tp_object *object, const char *name);

/* The same, and how many bytes it has. */
void *tp_symbol_sized(const struct tp_object *object, const char *name, size_t *size);

#endif
