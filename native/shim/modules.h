/* modules.h - numbers the loaded objects that sites refer to, and gives each an identity that is the same in
 * every run: its build-id, or its file's name and size. Called with the lock of sites.c held. */
#ifndef TP_MODULES_H
#define TP_MODULES_H

#include "../common/hash.h"
#include "guard.h"
#include "objects.h"

struct tp_module {
    uint32_t number;
    uintptr_t start, end, bias;
    struct tp_hash128 identity;
};

/* The module of `object`; on first sight it gets a number and a TP_META_MODULE record. NULL without memory.
 */
const struct tp_module *tp_module_of(tp_guard *guard, const struct tp_object *object);

/* Objects were unloaded: another may now lie where one was, so that identities are compared anew. */
void tp_modules_forget(void);

/* In a forked child: its own file knows no module yet. */
void tp_modules_fork_child(void);

#endif
