/* registers.h - the guest's registers as the simulator numbers them, and where VEX keeps them.
 *
 * A register is one or more slots of eight bytes: what is written a slot at a time is followed a slot at a
 * time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_REGISTERS_H
#define TP_REGISTERS_H

#include "vex.h"

enum {
    TP_REGISTER_VECTOR = 16, /* 0 to 15 are the general ones, as x86 numbers them */
    TP_REGISTER_FLAGS = 32,  /* the four words from which VEX computes them */
    TP_REGISTER_X87 = 33,    /* all of its stack */
    TP_REGISTER_COUNT = 34,

    TP_SLOT_FLAGS = 16,
    TP_SLOT_VECTOR = TP_SLOT_FLAGS + 4,
    TP_SLOT_SCRATCH = TP_SLOT_VECTOR + 16 * 4, /* VEX's vector register for its own use */
    TP_SLOT_X87 = TP_SLOT_SCRATCH + 4,
    TP_SLOT_COUNT = TP_SLOT_X87 + 1,
};

/* Slots that a part of the guest's state covers. Rounding modes, segment bases, the direction flag and the
 * program counter have none: nobody waits for them. */
struct tp_slots {
    UInt first, count;
    Bool whole; /* all of each, so that writing it leaves nothing of what was there */
};

struct tp_slots tp_slots_of(Int offset, Int bytes);

/* The register's slots, and the slot's register; VEX's own register is number TP_REGISTER_COUNT. */
struct tp_slots tp_slots_of_register(UInt number);
UInt tp_register_of_slot(UInt slot);

/* Where VEX keeps general register `number` of x86. */
Int tp_register_offset(UInt number);

#endif
