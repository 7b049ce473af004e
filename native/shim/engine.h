/* engine.h - tells the exact engine which memory belongs to which site. Without the engine nothing happens:
 * what would tell it is a few instructions that Valgrind knows and a processor runs as no-ops, and they are
 * not even reached.
 */
#ifndef TP_ENGINE_H
#define TP_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

void tpi_engine_claim(uintptr_t address, size_t bytes, uint32_t site);
void tpi_engine_release(uintptr_t address, size_t bytes);

static inline int tp_engine_listens(void) {
    return __builtin_expect(tp_options.engine != 0, 0);
}

/* What begins, after it was handed out; what ends, before it is given back. Mappings only begin: the engine
 * sees them go by itself. */
static inline void tp_engine_claim(uintptr_t address, size_t bytes, uint32_t site) {
    if (tp_engine_listens()) tpi_engine_claim(address, bytes, site);
}

static inline void tp_engine_release(uintptr_t address, size_t bytes) {
    if (tp_engine_listens()) tpi_engine_release(address, bytes);
}

#endif
