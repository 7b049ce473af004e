/* instrument.h - adds to VEX's code what writes down where it went and what it accessed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_INSTRUMENT_H
#define TP_INSTRUMENT_H

#include "vex.h"

/* For Valgrind's table of a tool's functions. */
IRSB *tp_instrument(VgCallbackClosure *closure, IRSB *code, const VexGuestLayout *layout,
                    const VexGuestExtents *extents, const VexArchInfo *host, IRType guest_word,
                    IRType host_word);

/* Instructions that ran from memory of no file. */
ULong tp_instrument_generated(void);
void tp_instrument_forget_generated(void);

#endif
