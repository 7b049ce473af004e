/* block.h - what is known of a piece of code before it runs: its accesses, exits and data flow.
 *
 * Whoever decodes code makes one tpm_block a translation (the exact engine from VEX, patterns.py by hand). A
 * run is then a stream of 64-bit words: for every execution of a block, the address of the tpm_exit by which
 * it was left, and the effective addresses of that exit's first n_accesses accesses, in order; 0 where a
 * guarded access did not happen.
 *
 * Values: a "source" is a live-in register (0 .. TPM_REGISTERS-1, state at the block's entry) or
 * TPM_REGISTERS + k, the value that access k of this block loaded. A flow is the longest latency from one
 * source to the value, in cycles, not counting what the source itself takes. Accesses from TPM_LOADS-1 on
 * share the last number.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_BLOCK_H
#define TPM_BLOCK_H

#include <stdint.h>

#define TPM_REGISTERS 64u
#define TPM_LOADS 64u

enum tpm_kind {
    TPM_LOAD = 0,
    TPM_STORE = 1,
    TPM_UPDATE = 2,   /* a locked read-modify-write: a load and a store, and a full fence */
    TPM_STORE_NT = 3, /* non-temporal: past the caches, whole lines combined */
    TPM_PREFETCH = 4, /* a software prefetch: moves a line, counts as no access */
    TPM_FENCE = 5,    /* mfence, serialising instructions: the address word is 0, nothing is accessed */
};

struct tpm_flow {
    uint8_t source;
    uint8_t cycles;
};

struct tpm_flows {
    const struct tpm_flow *flow;
    uint32_t count;
};

struct tpm_range; /* objects.h */

struct tpm_access {
    uint64_t pc;                    /* of the instruction: what the stride prefetcher learns by */
    uint8_t kind;                   /* enum tpm_kind */
    uint8_t load;                   /* its number as a source: min(k, TPM_LOADS-1) */
    uint16_t bytes;                 /* 1 .. 4096 */
    struct tpm_flows address, data; /* data: of what a store stores */
    /* The simulator's own, zero at first: the range and object that this instruction met last. */
    struct tpm_range *range;
    uint32_t generation, pad;
};

/* At an exit register `reg` holds a value made of `value`; registers that are not named keep theirs. A value
 * made of nothing (a constant) has no flows. */
struct tpm_transfer {
    uint32_t reg;
    struct tpm_flows value;
};

enum tpm_exit_kind {
    TPM_BRANCH = 0,   /* conditional: being left here is `taken`; running on past it is `not taken` */
    TPM_JUMP = 1,     /* always, to one place */
    TPM_INDIRECT = 2, /* to a computed place: call or jump by register */
    TPM_OTHER = 3,    /* never predicted: system calls, faults */
    TPM_RETURN = 4,   /* a return: the return stack of any core guesses it right */
};

/* Cumulative from the block's entry: the effect of having run from there up to this exit. */
struct tpm_exit {
    const struct tpm_block *block;
    uint32_t index; /* in block->exits */
    uint32_t kind;  /* enum tpm_exit_kind */
    uint32_t n_accesses, n_instructions;
    struct tpm_flows condition; /* of the branch, or of the computed place */
    const struct tpm_transfer *transfers;
    uint32_t n_transfers, pad;
};

struct tpm_block {
    uint64_t address;
    uint32_t n_accesses, n_exits; /* the last exit is the block's end */
    struct tpm_access *accesses;
    struct tpm_exit *exits;
};

#endif
