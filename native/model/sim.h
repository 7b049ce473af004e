/* sim.h - the simulator: fed with what a program did, writes what came of it (exactfile.h).
 *
 * No libc beneath it: the exact engine links it, and libtierprof_model.so holds it for Python (tests,
 * patterns). One simulator a process; threads take turns, each being fed in its own order.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#ifndef TPM_SIM_H
#define TPM_SIM_H

#include "block.h"
#include "config.h"

struct tpm_sim;

/* What the simulator needs of the world around it. */
struct tpm_host {
    void *(*get)(size_t bytes); /* zeroed memory, page-aligned; NULL: none left */
    void (*put)(void *memory, size_t bytes);
    /* Appends to the output; false: it cannot (disk full): the simulator stops writing, and counts on. */
    bool (*write)(void *context, const void *bytes, size_t count);
    void *context;
    uint32_t pid; /* for the head of the file */
};

/* NULL: no memory. `config` and `host` are copied. Writes the head of the file and the config; measures from
 * the start on, with weight 1, unless tpm_sim_mode says otherwise. */
struct tpm_sim *tpm_sim_new(const struct tpm_config *config, const struct tpm_host *host);

/* In a forked child: what was counted and not yet written is the parent's and is dropped; counting starts
 * afresh, into a file of the child's own (`write`, `context` and `pid` of `host`). Ranges, caches and what
 * the predictor learned stay. False: no memory for it; `sim` is as it was. */
bool tpm_sim_fork(struct tpm_sim *sim, const struct tpm_host *host);

/* How the words that follow are taken. */
enum tpm_mode {
    TPM_SKIP = 0,    /* instructions are counted, nothing else */
    TPM_WARM = 1,    /* caches, TLBs and predictor learn; nothing is counted but instructions */
    TPM_MEASURE = 2, /* everything */
};

/* Ends the slice and the episode that are open, if the mode changes. `weight`: how many instructions each
 * instruction of the coming slices stands for (1 unless intervals are sampled). */
void tpm_sim_mode(struct tpm_sim *sim, enum tpm_mode mode, double weight);

/* Feeds `count` words of one thread (block.h says what they are); whole executions only. */
void tpm_sim_feed(struct tpm_sim *sim, uint32_t thread, const uint64_t *words, size_t count);

/* Memory changes hands; what was fed before saw the old owner. `object`: any number below TPM_OBJECTS; from
 * TPM_OBJECT_FIRST_PSEUDO on they are no sites. A claim inside another range takes that part from it; giving
 * back returns it to the range around it. Claims are as malloc makes them: they nest or are disjoint. */
#define TPM_OBJECTS (1u << 24)
#define TPM_OBJECT_FIRST_PSEUDO (TPM_OBJECTS - 16u)
enum tpm_pseudo_object {
    TPM_OBJECT_STACK = TPM_OBJECT_FIRST_PSEUDO,
    TPM_OBJECT_STATIC,  /* data of modules */
    TPM_OBJECT_SMALL,   /* heap that no tracked allocation covers */
    TPM_OBJECT_MAPPED,  /* anonymous memory that nobody claimed */
    TPM_OBJECT_UNKNOWN, /* everything else */
};
void tpm_sim_claim(struct tpm_sim *sim, uint64_t address, uint64_t bytes, uint32_t object);
void tpm_sim_release(struct tpm_sim *sim, uint64_t address, uint64_t bytes);

/* Code that went away (dlclose, JIT): the block's memory may be freed after this returns. */
void tpm_sim_forget(struct tpm_sim *sim, const struct tpm_block *block);

uint64_t tpm_sim_instructions(const struct tpm_sim *sim); /* fed so far, in any mode */

/* Puts a note into the output, at once. `text` may be NULL. */
void tpm_sim_note(struct tpm_sim *sim, uint32_t code, uint64_t value, const char *text);

/* Writes what is open and TPX_END. `sim` is freed. */
void tpm_sim_end(struct tpm_sim *sim);

#endif
