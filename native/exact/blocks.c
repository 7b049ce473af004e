/* blocks.c - a table by address; each block is one piece of memory with all that belongs to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "blocks.h"

#include "engine.h"
#include "vex.h"

#include <pub_tool_hashtable.h>

/* VgHashNode's first two fields come first. */
struct tpi_entry {
    struct tpi_entry *next;
    UWord origin;
    Addr base; /* of the code that was translated */
    struct tpi_entry
        *twin; /* another translation of the same code: they go together, as nobody can tell them apart */
    UInt n_twins, n_discarded;
    struct tpm_block block;
};

static VgHashTable *tpi_table;

static Word tpi_compare(const void *left, const void *right) {
    const struct tpi_entry *a = left, *b = right;
    return a->origin != b->origin || a->base != b->base;
}

/* ---- making one ---- */

struct tpi_parts {
    struct tpm_access *accesses;
    struct tpm_exit *exits;
    struct tpm_transfer *transfers;
    struct tpm_flow *flows;
};

static struct tpi_entry *tpi_allocate(const struct tp_scan *scan, const struct tp_flows *flows,
                                      struct tpi_parts *parts) {
    SizeT accesses = scan->n_accesses * sizeof *parts->accesses, exits = scan->n_exits * sizeof *parts->exits;
    SizeT transfers = flows->n_transfers * sizeof *parts->transfers;
    SizeT bytes =
        sizeof(struct tpi_entry) + accesses + exits + transfers + flows->n_flows * sizeof *parts->flows;
    struct tpi_entry *entry = VG_(calloc)("tierprof.block", 1, bytes);
    parts->accesses = (struct tpm_access *)(entry + 1);
    parts->exits = (struct tpm_exit *)((Addr)parts->accesses + accesses);
    parts->transfers = (struct tpm_transfer *)((Addr)parts->exits + exits);
    parts->flows = (struct tpm_flow *)((Addr)parts->transfers + transfers);
    VG_(memcpy)(parts->flows, flows->flows, flows->n_flows * sizeof *parts->flows);
    return entry;
}

static struct tpm_flows tpi_flows(const struct tpi_parts *parts, struct tp_span span) {
    return (struct tpm_flows){parts->flows + span.first, span.count};
}

static void tpi_fill_access(const struct tpi_parts *parts, UInt number, const struct tp_scan *scan,
                            const struct tp_flows *flows) {
    const struct tp_found *found = &scan->accesses[number];
    parts->accesses[number] =
        (struct tpm_access){.pc = scan->marks[found->mark].pc,
                            .kind = (uint8_t)found->kind,
                            .load = (uint8_t)(number < TPM_LOADS ? number : TPM_LOADS - 1),
                            .bytes = (uint16_t)found->bytes,
                            .address = tpi_flows(parts, flows->address[number]),
                            .data = tpi_flows(parts, flows->data[number])};
}

static void tpi_fill_exit(const struct tpi_parts *parts, UInt number, const struct tp_scan *scan,
                          const struct tp_flows *flows, const struct tpm_block *block) {
    const struct tp_leave *leave = &scan->exits[number];
    struct tp_span transfers = flows->exit_transfers[number];
    parts->exits[number] = (struct tpm_exit){.block = block,
                                             .index = number,
                                             .kind = (uint32_t)leave->kind,
                                             .n_accesses = leave->n_accesses,
                                             .n_instructions = leave->n_instructions,
                                             .condition = tpi_flows(parts, flows->condition[number]),
                                             .transfers = parts->transfers + transfers.first,
                                             .n_transfers = transfers.count};
}

static void tpi_fill(struct tpm_block *block, const struct tpi_parts *parts, const struct tp_scan *scan,
                     const struct tp_flows *flows) {
    *block = (struct tpm_block){.address = scan->marks[0].pc,
                                .n_accesses = scan->n_accesses,
                                .n_exits = scan->n_exits,
                                .accesses = parts->accesses,
                                .exits = parts->exits};
    for (UInt i = 0; i < flows->n_transfers; i++)
        parts->transfers[i] =
            (struct tpm_transfer){flows->transfers[i].reg, tpi_flows(parts, flows->transfers[i].value)};
    for (UInt i = 0; i < scan->n_accesses; i++)
        tpi_fill_access(parts, i, scan, flows);
    for (UInt i = 0; i < scan->n_exits; i++)
        tpi_fill_exit(parts, i, scan, flows, block);
}

/* ---- the table ---- */

const struct tpm_block *tp_blocks_add(Addr origin, const VexGuestExtents *extents, const struct tp_scan *scan,
                                      const struct tp_flows *flows) {
    struct tpi_parts parts;
    struct tpi_entry *entry = tpi_allocate(scan, flows, &parts);
    entry->origin = origin;
    entry->base = extents->base[0];
    tpi_fill(&entry->block, &parts, scan, flows);
    if (tpi_table == NULL) tpi_table = VG_(HT_construct)("tierprof.blocks");
    struct tpi_entry *first = VG_(HT_gen_lookup)(tpi_table, entry, tpi_compare);
    if (first == NULL) {
        VG_(HT_add_node)(tpi_table, entry);
    } else {
        entry->twin = first->twin;
        first->twin = entry;
        first->n_twins++;
    }
    return &entry->block;
}

void tp_blocks_discard(Addr origin, VexGuestExtents extents) {
    const struct tpi_entry key = {.origin = origin, .base = extents.base[0]};
    struct tpi_entry *entry = tpi_table != NULL ? VG_(HT_gen_lookup)(tpi_table, &key, tpi_compare) : NULL;
    if (entry == NULL || entry->n_discarded++ < entry->n_twins) return;
    tp_engine_drain();
    VG_(HT_gen_remove)(tpi_table, &key, tpi_compare);
    while (entry != NULL) {
        struct tpi_entry *twin = entry->twin;
        tp_engine_forget(&entry->block);
        VG_(free)(entry);
        entry = twin;
    }
}
