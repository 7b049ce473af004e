/* registers.c - from offsets in VEX's guest state to slots.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "registers.h"

#define TPI_AT(field) ((Int)offsetof(VexGuestAMD64State, field))

enum { TPI_SLOT_BYTES = 8, TPI_VECTOR_SLOTS = 4 };

/* A run of slots that VEX keeps together. */
static struct tp_slots tpi_run(Int offset, Int bytes, Int start, UInt first_slot) {
    Int at = offset - start, last = at + bytes - 1;
    UInt first = (UInt)(at / TPI_SLOT_BYTES), end = (UInt)(last / TPI_SLOT_BYTES) + 1;
    return (struct tp_slots){first_slot + first, end - first,
                             at % TPI_SLOT_BYTES == 0 && bytes % TPI_SLOT_BYTES == 0};
}

struct tp_slots tp_slots_of(Int offset, Int bytes) {
    if (offset >= TPI_AT(guest_RAX) && offset < TPI_AT(guest_CC_OP))
        return tpi_run(offset, bytes, TPI_AT(guest_RAX), 0);
    if (offset >= TPI_AT(guest_CC_OP) && offset < TPI_AT(guest_DFLAG))
        return tpi_run(offset, bytes, TPI_AT(guest_CC_OP), TP_SLOT_FLAGS);
    if (offset >= TPI_AT(guest_YMM0) && offset < TPI_AT(guest_FTOP))
        return tpi_run(offset, bytes, TPI_AT(guest_YMM0), TP_SLOT_VECTOR);
    Bool x87 = offset >= TPI_AT(guest_FTOP) && offset < TPI_AT(guest_FPROUND);
    if (x87 || offset == TPI_AT(guest_FC3210)) return (struct tp_slots){TP_SLOT_X87, 1, False};
    return (struct tp_slots){0, 0, False};
}

struct tp_slots tp_slots_of_register(UInt number) {
    if (number < TP_REGISTER_VECTOR) return (struct tp_slots){number, 1, True};
    if (number == TP_REGISTER_FLAGS)
        return (struct tp_slots){TP_SLOT_FLAGS, TP_SLOT_VECTOR - TP_SLOT_FLAGS, True};
    if (number == TP_REGISTER_X87) return (struct tp_slots){TP_SLOT_X87, 1, True};
    UInt vector = number - TP_REGISTER_VECTOR;
    return (struct tp_slots){TP_SLOT_VECTOR + vector * TPI_VECTOR_SLOTS, TPI_VECTOR_SLOTS, True};
}

UInt tp_register_of_slot(UInt slot) {
    if (slot < TP_SLOT_FLAGS) return slot;
    if (slot < TP_SLOT_VECTOR) return TP_REGISTER_FLAGS;
    if (slot < TP_SLOT_SCRATCH) return TP_REGISTER_VECTOR + (slot - TP_SLOT_VECTOR) / TPI_VECTOR_SLOTS;
    return slot == TP_SLOT_X87 ? TP_REGISTER_X87 : TP_REGISTER_COUNT;
}

Int tp_register_offset(UInt number) {
    return TPI_AT(guest_RAX) + (Int)number * TPI_SLOT_BYTES;
}
