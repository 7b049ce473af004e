/* exactfile.h - what an exact run writes, byte for byte: exact.PID.SEQ.bin in the raw folder.
 *
 * magic[8], uint32 version, uint32 pid; then records: tpx_header and `bytes` of payload. Little-endian. A
 * file without TPX_END was cut; everything up to its last whole TPX_SLICE is good. A TPX_SLICE closes the
 * records before it: threads, objects and episodes that stand between two TPX_SLICEs belong to the second
 * one.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPX_EXACTFILE_H
#define TPX_EXACTFILE_H

#include <stdint.h>

#define TPX_MAGIC "TPEXACT"
#define TPX_VERSION 2u

struct tpx_file {
    char magic[8];
    uint32_t version, pid;
};

enum tpx_type {
    TPX_CONFIG = 1,  /* the text that tpm_config_parse took */
    TPX_THREAD = 2,  /* struct tpx_thread */
    TPX_OBJECT = 3,  /* struct tpx_object */
    TPX_EPISODE = 4, /* struct tpx_episode, then its nodes */
    TPX_SLICE = 5,   /* struct tpx_slice */
    TPX_REUSE = 6,   /* struct tpx_reuse; at the end */
    TPX_NOTE = 7,    /* struct tpx_note, then text without NUL */
    TPX_END = 8,     /* struct tpx_end */
    TPX_HEAT = 9,    /* struct tpx_heat, then its granules; anywhere */
};

struct tpx_header {
    uint32_t type, bytes;
};

/* One thread in one slice. */
struct tpx_thread {
    uint32_t thread; /* a number of the engine's; tid where it is known */
    uint32_t tid;
    uint64_t instructions, loads,
        stores;           /* an update counts in both; guarded ones that did not happen in none */
    uint64_t base_cycles; /* with every access beyond L2 taken as an L2 hit; branch misses in it */
    uint64_t branches, mispredicts;
    uint64_t tlb1_misses, walks;
    uint64_t fences;
};

/* One object on one thread in one slice. Accesses are counted once each, by their first byte; the rest counts
 * lines. */
struct tpx_object {
    uint32_t object, thread;
    uint64_t loads, stores, nt_stores;
    uint64_t load_bytes, store_bytes;
    uint64_t l1_misses, l2_misses; /* lines that demand accesses missed */
    uint64_t l3_hits;              /* of these l2_misses */
    uint64_t near_loads, mid_loads,
        far_loads;             /* lines that loads fetched from memory, by what the tier's buffers held */
    uint64_t rfo_lines;        /* lines that stores fetched from memory */
    uint64_t prefetched_lines; /* fetched from memory by a hardware or software prefetch */
    uint64_t prefetched_used;  /* of these, lines that a demand access then used */
    uint64_t writeback_lines;  /* dirty lines that left L3, and lines written non-temporally */
    uint64_t read_blocks,
        write_blocks; /* 256 B blocks that these reads and writes touched, as the buffers combine */
    uint64_t tlb1_misses, walks;
};

/* Nodes of a chain: `object` and which memory answered. */
enum tpx_class {
    TPX_L3 = 0,   /* object 0: an L3 hit costs the same in every plan */
    TPX_NEAR = 1, /* the tier's buffer held the 256 B block */
    TPX_MID = 2,  /* its translation buffer held the page */
    TPX_FAR = 3,
};

/* Episodes with the same chains on one thread in one slice. An episode is what the core can overlap: from a
 * load that missed L2, as many instructions as the window holds, until the miss buffers are used up, a
 * mispredicted branch waits for one of its loads, or a fence comes. Its chains are the paths of loads that
 * wait for each other; a path that another one contains is left out. Its time, under any plan, is that of its
 * slowest chain. */
struct tpx_episode {
    uint32_t thread, n_nodes;
    uint64_t count;        /* episodes */
    uint64_t base_cycles;  /* of all of them: compute that runs meanwhile */
    uint64_t instructions; /* of all of them */
    uint64_t misses;       /* L2 misses of all of them, on chains or not */
};

struct tpx_node {
    uint32_t object; /* TPM_OBJECT_* too */
    uint8_t chain;   /* 0, 1, ...: nodes are sorted by chain */
    uint8_t node_class;
    uint16_t count; /* so many of them follow each other on this chain */
};

struct tpx_slice {
    uint64_t first_instruction; /* of the process, all threads, all modes */
    uint64_t instructions;      /* measured */
    double weight;
};

/* How far apart uses of the same line (64) or page (4096) of an object are, in distinct granules of the whole
 * process, as L3 misses see it: bins[b] counts, weighted, distances in [2^b, 2^(b+1)); cold counts first
 * uses. */
struct tpx_reuse {
    uint32_t object, granule_bytes;
    double cold;
    double cold_writes; /* unused now: 0 */
    double bins[48];
};

/* Where in an object's allocations of one size accesses fell; those that follow each other lie on top of each
 * other, those that live at the same time have lanes (heat.h). Records of one lane add up. */
struct tpx_heat {
    uint32_t object, lane;
    uint64_t bytes; /* of the allocation */
    double weight;  /* as a slice's */
    uint64_t granule_bytes;
    uint32_t n_granules, pad;
};

struct tpx_granule {
    uint32_t granule; /* offset in the allocation / granule_bytes */
    uint32_t reads, writes;
    uint32_t misses; /* lines that these fetched from memory */
};

enum tpx_note_code {
    TPX_NOTE_DISK_FULL = 1,
    TPX_NOTE_NO_DECODE = 2, /* value: address of an instruction that the engine does not know */
    TPX_NOTE_ANON_CODE = 3, /* value: instructions run from memory of no file (JIT) */
    TPX_NOTE_REGION = 4,    /* the region was never entered, or never left */
    TPX_NOTE_FOLDED = 5,    /* value: episodes whose chains were too many and were shortened */
    TPX_NOTE_KILLED = 6,    /* value: the signal */
    TPX_NOTE_HEAT = 7,      /* value: large allocations whose heat was not counted */
    TPX_NOTE_OTHER = 99,
};

struct tpx_note {
    uint32_t code, pad;
    uint64_t value;
};

struct tpx_end {
    uint64_t instructions; /* all that were fed, measured or not */
    uint64_t measured;
};

#endif
