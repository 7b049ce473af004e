/* slotsets.c - a set of flows a slot.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "slotsets.h"

void tp_slotsets_begin(struct tp_slotsets *slotsets) {
    VG_(memset)(slotsets, 0, sizeof *slotsets);
    for (UInt number = 0; number < TP_REGISTER_COUNT; number++) {
        struct tp_slots slots = tp_slots_of_register(number);
        for (UInt i = 0; i < slots.count; i++)
            tp_flowset_add(&slotsets->set[slots.first + i], number, 0);
    }
}

void tp_slotsets_read(const struct tp_slotsets *slotsets, struct tp_flowset *set, struct tp_slots slots) {
    for (UInt i = 0; i < slots.count; i++)
        tp_flowset_join(set, &slotsets->set[slots.first + i], 0);
}

void tp_slotsets_write(struct tp_slotsets *slotsets, struct tp_slots slots, const struct tp_flowset *set) {
    for (UInt slot = slots.first; slot < slots.first + slots.count; slot++) {
        if (slots.whole)
            slotsets->set[slot] = *set;
        else
            tp_flowset_join(&slotsets->set[slot], set, 0);
        slotsets->written[slot] = True;
        slotsets->registers |= 1ull << tp_register_of_slot(slot);
    }
}

/* A register is as late as what was written of it. Only if its low part was not, the old value counts: an
 * instruction that leaves the upper parts of a vector alone makes nobody wait for them. */
void tp_slotsets_register(const struct tp_slotsets *slotsets, UInt number, struct tp_flowset *set) {
    struct tp_slots slots = tp_slots_of_register(number);
    Bool low = slotsets->written[slots.first];
    for (UInt slot = slots.first; slot < slots.first + slots.count; slot++)
        if (slotsets->written[slot] || !low) tp_flowset_join(set, &slotsets->set[slot], 0);
}
