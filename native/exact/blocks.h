/* blocks.h - what the simulator knows of each translation, for as long as that exists.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_BLOCKS_H
#define TP_BLOCKS_H

#include "flows.h"

/* Keeps what was found of a translation of the code at `origin` (before Valgrind's redirection). */
const struct tpm_block *tp_blocks_add(Addr origin, const VexGuestExtents *extents, const struct tp_scan *scan,
                                      const struct tp_flows *flows);

/* The translation is gone: nothing in the buffer may name it any more. */
void tp_blocks_discard(Addr origin, VexGuestExtents extents);

#endif
