/* slices.c - the ends of slices (exactfile.h says what they are).
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "state.h"

/* After so many, slices are twice as long: however long a run is, they stay few. */
enum { TPMI_SLICES = 256 };

static void tpmi_write_thread(struct tpm_sim *sim, struct tpm_thread *thread) {
    struct tpm_core *model = &thread->model;
    struct tpx_object sum = tpm_rows_sum(&thread->rows);
    struct tpx_thread row = {.thread = thread->number,
                             .instructions = thread->instructions,
                             .loads = sum.loads,
                             .stores = sum.stores + sum.nt_stores,
                             .branches = model->branches,
                             .mispredicts = model->mispredicts,
                             .tlb1_misses = sum.tlb1_misses,
                             .walks = sum.walks,
                             .fences = thread->fences};
    if (sim->config.timing) {
        row.base_cycles = (model->now.ticks - model->told) / sim->latencies.width;
        model->told += row.base_cycles * sim->latencies.width;
        tpm_core_end_episode(model, model->now);
    }
    tpm_output_record(&sim->output, TPX_THREAD, &row, sizeof row, NULL, 0);
    tpm_rows_end(&thread->rows, thread->number, &sim->output);
    tpm_episodes_write(&model->episodes);
    thread->instructions = thread->fences = 0;
    model->branches = model->mispredicts = 0;
}

void tpm_slice_begin(struct tpm_sim *sim) {
    sim->slice.first = sim->instructions;
    sim->slice.instructions = 0;
}

void tpm_slice_end(struct tpm_sim *sim) {
    if (sim->slice.instructions > 0) {
        for (uint32_t i = 0; i < sim->n_threads; i++)
            if (sim->order[i]->instructions > 0 || sim->order[i]->rows.touched != NULL)
                tpmi_write_thread(sim, sim->order[i]);
        struct tpx_slice slice = {sim->slice.first, sim->slice.instructions, sim->weight};
        tpm_output_record(&sim->output, TPX_SLICE, &slice, sizeof slice, NULL, 0);
        tpm_output_flush(&sim->output);
        if (++sim->slice.count == TPMI_SLICES) {
            sim->slice.count = 0;
            sim->slice.length *= 2;
        }
    }
    tpm_slice_begin(sim);
}
