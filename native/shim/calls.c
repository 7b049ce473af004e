/* calls.c - see calls.h. Encodings: Intel's and AMD's manuals, CALL and JMP; Arm's, BL. */
#include "calls.h"

#include <string.h>

static bool tpi_inside(const struct tp_object *object, uintptr_t address, size_t size) {
    return address >= object->start && address < object->end && object->end - address >= size;
}

#if defined(__x86_64__)

enum { TPI_DIRECT_BYTES = 5, TPI_INDIRECT_BYTES = 6 };

/* What the slot holds that an instruction addresses, relative to where it ends, by its last 4 bytes. */
static uintptr_t tpi_slot(const struct tp_object *object, uintptr_t end) {
    int32_t offset;
    uintptr_t target = 0;
    memcpy(&offset, (const void *)(end - sizeof offset), sizeof offset);
    uintptr_t slot = end + (uintptr_t)(intptr_t)offset;
    if (slot % sizeof slot == 0 && tpi_inside(object, slot, sizeof slot))
        memcpy(&target, (const void *)slot, sizeof target);
    return target;
}

/* An entry of a procedure linkage table jumps by its slot, after marks for the processor if any; what is none
 * is the function itself. */
static uintptr_t tpi_through_table(const struct tp_object *object, uintptr_t entry) {
    static const uint8_t landing_mark[] = {0xf3, 0x0f, 0x1e, 0xfa}, jump[] = {0xff, 0x25};
    enum { BOUND_MARK = 0xf2, LONGEST = 4 + 1 + TPI_INDIRECT_BYTES };
    uintptr_t at = entry;
    if (!tpi_inside(object, entry, LONGEST)) return entry;
    if (memcmp((const void *)at, landing_mark, sizeof landing_mark) == 0) at += sizeof landing_mark;
    if (*(const uint8_t *)at == BOUND_MARK) at++;
    if (memcmp((const void *)at, jump, sizeof jump) != 0) return entry;
    return tpi_slot(object, at + TPI_INDIRECT_BYTES);
}

uintptr_t tp_call_target(const struct tp_object *object, uintptr_t return_address) {
    static const uint8_t direct[] = {0xe8}, indirect[] = {0xff, 0x15};
    uintptr_t first = return_address - TPI_INDIRECT_BYTES;
    int32_t offset;
    if (!tpi_inside(object, first, TPI_INDIRECT_BYTES)) return 0;
    if (memcmp((const void *)first, indirect, sizeof indirect) == 0) return tpi_slot(object, return_address);
    if (memcmp((const void *)(return_address - TPI_DIRECT_BYTES), direct, sizeof direct) != 0) return 0;
    memcpy(&offset, (const void *)(return_address - sizeof offset), sizeof offset);
    return tpi_through_table(object, return_address + (uintptr_t)(intptr_t)offset);
}

#elif defined(__aarch64__)

uintptr_t tp_call_target(const struct tp_object *object, uintptr_t return_address) {
    const uint32_t mask = 0xfc000000u, branch_with_link = 0x94000000u;
    uint32_t instruction;
    uintptr_t at = return_address - sizeof instruction;
    if (!tpi_inside(object, at, sizeof instruction)) return 0;
    memcpy(&instruction, (const void *)at, sizeof instruction);
    if ((instruction & mask) != branch_with_link) return 0;
    return at + (uintptr_t)(intptr_t)((int32_t)(instruction << 6) >> 4);
}

#else

uintptr_t tp_call_target(const struct tp_object *object, uintptr_t return_address) {
    return 0;
}

#endif
