/* decode.h - what VEX does not tell of an instruction, read from its bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_DECODE_H
#define TP_DECODE_H

#include <stdbool.h>
#include <stdint.h>

enum tp_trait {
    TP_BRANCH = 1,       /* conditional */
    TP_REP_STRING = 2,   /* repeats itself: VEX makes every repetition an instruction */
    TP_NO_MEMORY = 4,    /* what VEX loads and stores for it is on a stack of its own making */
    TP_NON_TEMPORAL = 8, /* its store goes past the caches */
    TP_PREFETCH = 16,    /* of `operand`; VEX drops it */
    TP_FENCE = 32,       /* nothing after it starts before it is done */
    TP_SAVE_AREA = 64,   /* registers to or from one area: all of its pieces are one access */
    TP_STORE_ONLY = 128, /* VEX loads what it will not overwrite; the instruction does not */
    TP_GATHER = 256,     /* masked lanes load from where the stack pointer is, in VEX */
    TP_LOADS = 512,      /* from `operand`, even if VEX drops the load because nobody uses what it loads */
    TP_LOADS_OWN = 1024, /* what it stores over, even if VEX drops that load */
};

/* A memory operand by its encoding. Register numbers are x86's own. */
struct tp_operand {
    int8_t base, index; /* -1: none */
    uint8_t scale;      /* log2 */
    uint8_t segment;    /* 0x64: fs, 0x65: gs, 0: none that matters */
    uint8_t bytes;
    bool relative; /* to the next instruction */
    int32_t displacement;
};

struct tp_instruction {
    uint32_t traits;           /* enum tp_trait */
    uint8_t cycles;            /* takes at least so long, whatever VEX makes of it; 0: as VEX has it */
    struct tp_operand operand; /* with TP_PREFETCH and TP_LOADS */
};

/* Reads one instruction of x86-64, `length` of `bytes`. What is not known has no traits. */
void tp_decode(const uint8_t *bytes, uint32_t length, struct tp_instruction *instruction);

#endif
