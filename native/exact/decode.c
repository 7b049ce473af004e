/* decode.c - prefixes, opcode, ModRM and SIB, as far as the traits need them.
 *
 * Encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "decode.h"

enum tpi_map { TPI_ONE_BYTE, TPI_0F, TPI_0F38, TPI_0F3A };

enum { TPI_RSP = 4, TPI_RBP = 5, TPI_RSI = 6, TPI_RDI = 7, TPI_WIDE = 8 /* in `rex` */ };

struct tpi_code {
    const uint8_t *at, *end;
    uint8_t segment, rex; /* rex: W R X B in the low bits, VEX's turned the same way */
    bool repeat, operand_16, vex, long_vector;
    enum tpi_map map;
    uint8_t opcode, modrm;
};

static uint8_t tpi_byte(struct tpi_code *code) {
    return code->at < code->end ? *code->at++ : 0;
}

/* ---- prefixes and opcode ---- */

static bool tpi_legacy_prefix(struct tpi_code *code, uint8_t byte) {
    switch (byte) {
    case 0x66:
        code->operand_16 = true;
        return true;
    case 0xf2:
    case 0xf3:
        code->repeat = true;
        return true;
    case 0x64:
    case 0x65:
        code->segment = byte;
        return true;
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x67:
    case 0xf0:
        return true;
    default:
        return false;
    }
}

/* VEX prefixes: their R, X and B are inverted, `pp` stands for a legacy prefix. */
static void tpi_vex_prefix(struct tpi_code *code, uint8_t first) {
    uint8_t byte = tpi_byte(code), last = byte, map = 1;
    code->vex = true;
    code->rex = (uint8_t)((~byte >> 5) & 4);
    if (first == 0xc4) {
        code->rex = (uint8_t)((~byte >> 5) & 7);
        map = byte & 31;
        last = tpi_byte(code);
    }
    code->operand_16 = (last & 3) == 1;
    code->repeat = (last & 3) > 1;
    code->long_vector = (last & 4) != 0;
    code->map = map == 2 ? TPI_0F38 : map == 3 ? TPI_0F3A : TPI_0F;
    code->opcode = tpi_byte(code);
}

static void tpi_opcode(struct tpi_code *code) {
    uint8_t byte = tpi_byte(code);
    while (tpi_legacy_prefix(code, byte))
        byte = tpi_byte(code);
    if ((byte & 0xf0) == 0x40) {
        code->rex = byte & 15;
        byte = tpi_byte(code);
    }
    if (byte == 0xc4 || byte == 0xc5) {
        tpi_vex_prefix(code, byte);
        return;
    }
    if (byte == 0x0f) {
        byte = tpi_byte(code);
        code->map = byte == 0x38 ? TPI_0F38 : byte == 0x3a ? TPI_0F3A : TPI_0F;
        if (code->map != TPI_0F) byte = tpi_byte(code);
    }
    code->opcode = byte;
}

/* ---- the operand ---- */

static bool tpi_one_byte_has_modrm(uint8_t opcode) {
    if (opcode < 0x40) return (opcode & 7) < 4;
    if (opcode >= 0xd8 && opcode <= 0xdf) return true;
    switch (opcode) {
    case 0x63:
    case 0x69:
    case 0x6b:
    case 0x80 ... 0x8f:
    case 0xc0 ... 0xc1:
    case 0xc6 ... 0xc7:
    case 0xd0 ... 0xd3:
    case 0xf6 ... 0xf7:
    case 0xfe ... 0xff:
        return true;
    default:
        return false;
    }
}

static bool tpi_has_modrm(const struct tpi_code *code) {
    if (code->map == TPI_ONE_BYTE) return tpi_one_byte_has_modrm(code->opcode);
    if (code->map != TPI_0F) return true;
    switch (code->opcode) {
    case 0x05 ... 0x09:
    case 0x0b:
    case 0x30 ... 0x37:
    case 0x77:
    case 0x80 ... 0x8f:
    case 0xa0 ... 0xa2:
    case 0xa8 ... 0xaa:
    case 0xc8 ... 0xcf:
        return false;
    default:
        return true;
    }
}

/* How much it reads; of vectors the most that the form can. */
static uint8_t tpi_operand_bytes(const struct tpi_code *code) {
    bool bytes = code->map == TPI_ONE_BYTE
                     ? (code->opcode & 1) == 0 && code->opcode != 0x8e
                     : code->map == TPI_0F && (code->opcode == 0xb6 || code->opcode == 0xbe);
    bool integer = code->map == TPI_ONE_BYTE ||
                   (code->map == TPI_0F && ((code->opcode & 0xf0) == 0x40 || (code->opcode & 0xe0) == 0xa0));
    if (bytes) return 1;
    if (integer) return code->rex & TPI_WIDE ? 8 : code->operand_16 ? 2 : 4;
    if (code->repeat) return 8;
    return code->long_vector ? 32 : 16;
}

static int32_t tpi_displacement(struct tpi_code *code, unsigned bytes) {
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)tpi_byte(code) << 8 * i;
    return bytes == 1 ? (int8_t)value : (int32_t)value;
}

static void tpi_operand(struct tpi_code *code, struct tp_operand *operand) {
    unsigned mod = code->modrm >> 6, rm = code->modrm & 7;
    *operand = (struct tp_operand){.base = (int8_t)(rm | (code->rex & 1) << 3),
                                   .index = -1,
                                   .segment = code->segment,
                                   .bytes = tpi_operand_bytes(code)};
    if (rm == 4) {
        uint8_t sib = tpi_byte(code);
        unsigned index = (sib >> 3 & 7) | (code->rex & 2) << 2;
        operand->scale = sib >> 6;
        operand->base = (int8_t)((sib & 7) | (code->rex & 1) << 3);
        if (index != 4) operand->index = (int8_t)index;
        if (mod == 0 && (sib & 7) == 5) operand->base = -1;
    } else if (mod == 0 && rm == 5) {
        operand->base = -1;
        operand->relative = true;
    }
    if (mod == 1) operand->displacement = tpi_displacement(code, 1);
    if (mod == 2 || (mod == 0 && operand->base == -1)) operand->displacement = tpi_displacement(code, 4);
}

/* What is loaded from where a register points, without ModRM. */
static void tpi_implied_load(const struct tpi_code *code, struct tp_instruction *instruction) {
    uint8_t opcode = code->opcode, width = code->operand_16 ? 2 : 8;
    int8_t base = -1;
    if (opcode >= 0x58 && opcode <= 0x5f) base = TPI_RSP; /* pop */
    if (opcode == 0xc9) base = TPI_RBP;                   /* leave */
    if (opcode == 0xac || opcode == 0xad) base = TPI_RSI; /* lods */
    if (opcode == 0xae || opcode == 0xaf) base = TPI_RDI; /* scas */
    if (base < 0 || code->repeat) return;
    if (base == TPI_RSI || base == TPI_RDI) width = tpi_operand_bytes(code);
    instruction->traits |= TP_LOADS;
    instruction->operand = (struct tp_operand){.base = base, .index = -1, .bytes = width};
}

/* ---- traits ---- */

static uint32_t tpi_one_byte(const struct tpi_code *code) {
    uint8_t opcode = code->opcode, form = code->modrm >> 3 & 7;
    bool memory = code->modrm < 0xc0;
    bool string = (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf);
    bool compares = opcode == 0x38 || opcode == 0x39 || (opcode >= 0x80 && form == 7);
    if (string) return code->repeat ? TP_REP_STRING : 0;
    if ((opcode & 0xf0) == 0x70 || (opcode >= 0xe0 && opcode <= 0xe3)) return TP_BRANCH;
    if (!memory || !tpi_one_byte_has_modrm(opcode)) return 0;
    if (opcode == 0x8d) return 0; /* lea */
    bool updates = (opcode < 0x40 && (opcode & 7) < 2) || (opcode >= 0x80 && opcode <= 0x83);
    return TP_LOADS | (updates && !compares ? TP_LOADS_OWN : 0);
}

/* 0F AE: fences, saved registers, and what flushes lines. */
static uint32_t tpi_group_15(const struct tpi_code *code) {
    unsigned form = code->modrm >> 3 & 7;
    if (code->repeat || code->operand_16) return 0;
    if (code->modrm >= 0xc0)
        return form == 5 || form == 6 ? TP_FENCE : 0; /* sfence: loads do not wait for it */
    return form < 2 || form >= 4 ? TP_SAVE_AREA : 0;
}

static uint32_t tpi_two_bytes(const struct tpi_code *code) {
    bool memory = code->modrm < 0xc0;
    switch (code->opcode) {
    case 0x0d: /* prefetch, prefetchw */
        return memory ? TP_PREFETCH : 0;
    case 0x18: /* prefetchnta, prefetcht0 to t2; the rest of the group are hints without effect */
        return memory && (code->modrm >> 3 & 7) < 4 ? TP_PREFETCH : 0;
    case 0x00 ... 0x01: /* privileged, or of the system */
    case 0x19 ... 0x23: /* hints without effect; control registers */
    case 0xb9:          /* meant to fault */
    case 0xff:
        return 0;
    case 0x2b: /* movntps, movntpd */
    case 0xc3: /* movnti */
    case 0xe7: /* movntq, movntdq */
        return TP_NON_TEMPORAL;
    case 0xf7: /* maskmovdqu, maskmovq */
        return TP_NON_TEMPORAL | TP_STORE_ONLY;
    case 0xa2: /* cpuid */
        return TP_FENCE;
    case 0xa3: /* bt, bts, btr, btc with a register: of two, or of a place far from the operand */
    case 0xab:
    case 0xb3:
    case 0xbb:
        return memory ? 0 : TP_NO_MEMORY;
    case 0xae:
        return tpi_group_15(code);
    default:
        if ((code->opcode & 0xf0) == 0x80) return TP_BRANCH;
        return memory && tpi_has_modrm(code) ? TP_LOADS : 0;
    }
}

static uint32_t tpi_three_bytes(const struct tpi_code *code) {
    bool gathers = code->map == TPI_0F38 && code->vex && code->opcode >= 0x90 && code->opcode <= 0x93;
    bool masked =
        code->map == TPI_0F38 && code->vex && (code->opcode & 0xf0) == 0x20 && (code->opcode & 15) >= 12;
    bool masked_integer =
        code->map == TPI_0F38 && code->vex && (code->opcode == 0x8c || code->opcode == 0x8e);
    if (gathers) return TP_GATHER;
    if (masked || masked_integer) return 0;
    return code->modrm < 0xc0 ? TP_LOADS : 0;
}

/* Bit counts and scans, which VEX spells out in many simple operations: 3 cycles each on Intel's and on AMD's
 * cores (Fog, Instruction tables). */
static uint8_t tpi_cycles(const struct tpi_code *code) {
    bool counts =
        code->map == TPI_0F && (code->opcode == 0xb8 || code->opcode == 0xbc || code->opcode == 0xbd);
    bool deposits = code->map == TPI_0F38 && code->vex && code->opcode == 0xf5;
    return counts || deposits ? 3 : 0;
}

void tp_decode(const uint8_t *bytes, uint32_t length, struct tp_instruction *instruction) {
    struct tpi_code code = {.at = bytes, .end = bytes + length, .modrm = 0xff};
    *instruction = (struct tp_instruction){.operand = {.base = -1, .index = -1}};
    if (length == 0) return;
    tpi_opcode(&code);
    if (tpi_has_modrm(&code)) code.modrm = tpi_byte(&code);
    instruction->cycles = tpi_cycles(&code);
    instruction->traits = code.map == TPI_ONE_BYTE ? tpi_one_byte(&code)
                          : code.map == TPI_0F     ? tpi_two_bytes(&code)
                                                   : tpi_three_bytes(&code);
    if (instruction->traits & (TP_PREFETCH | TP_LOADS)) tpi_operand(&code, &instruction->operand);
    if (code.map == TPI_ONE_BYTE) tpi_implied_load(&code, instruction);
}
