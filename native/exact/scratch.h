/* scratch.h - memory for the length of one translation, kept for the next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_SCRATCH_H
#define TP_SCRATCH_H

#include "vex.h"

struct tp_scratch {
    void *memory;
    SizeT bytes;
};

/* At least `bytes`; what was there before is lost. */
static inline void *tp_scratch_get(struct tp_scratch *scratch, SizeT bytes) {
    if (bytes > scratch->bytes) {
        VG_(free)(scratch->memory);
        scratch->bytes = bytes + bytes / 2;
        scratch->memory = VG_(malloc)("tierprof.scratch", scratch->bytes);
    }
    return scratch->memory;
}

#endif
