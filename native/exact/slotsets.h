/* slotsets.h - the guest's registers while flows are followed: what each slot waits for, and whether it was
 * written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_SLOTSETS_H
#define TP_SLOTSETS_H

#include "flowset.h"
#include "registers.h"

struct tp_slotsets {
    struct tp_flowset set[TP_SLOT_COUNT];
    Bool written[TP_SLOT_COUNT];
    ULong registers; /* of which something was written: a bit each */
};

/* As on entry: each register waits for itself. */
void tp_slotsets_begin(struct tp_slotsets *slotsets);

/* `set` waits for the slots; the slots wait for `set`. */
void tp_slotsets_read(const struct tp_slotsets *slotsets, struct tp_flowset *set, struct tp_slots slots);
void tp_slotsets_write(struct tp_slotsets *slotsets, struct tp_slots slots, const struct tp_flowset *set);

/* What a register waits for that was written. */
void tp_slotsets_register(const struct tp_slotsets *slotsets, UInt number, struct tp_flowset *set);

#endif
