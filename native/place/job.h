/* job.h - the piece of memory that is on its way to another tier, perhaps over many calls: what has been
 * reserved for it there. */
#ifndef TP_JOB_H
#define TP_JOB_H

#include "../shim/movables.h"
#include "slices.h"
#include "tiers.h"

struct tpi_job {
    bool active;
    struct tp_movable piece;
    struct tpi_tier *to;
    size_t reserved; /* bytes in `to` that nothing has moved into yet */
    bool has_slices;
    struct tpi_slices slices;
};

/* The program gives advice about some memory (madvise): some lasts, and must hold after a move. */
void tpi_job_note_advice(int advice);

/* Bytes of [start, start + size) that belong to the piece's size as the program asked for it. */
size_t tpi_piece_bytes(const struct tp_movable *piece, uintptr_t start, size_t size);

/* Where the pages of the piece that are in one tier from `start` on end. */
uintptr_t tpi_run_end(const struct tp_movable *piece, uintptr_t start, unsigned tier);

static inline uintptr_t tpi_piece_end(const struct tp_movable *piece) {
    return (piece->start + piece->size + 4095) & ~(uintptr_t)4095;
}

/* Bytes of the piece that are in another tier. */
size_t tpi_unmoved_bytes(const struct tp_movable *piece, const struct tpi_tier *to);

/* Begins, or goes on with what was begun for the same piece and tier; what was begun for another one ends.
 * TP_STAY_NONE, or why the piece must stay, with the errno of what failed. */
enum tp_stay tpi_job_begin(struct tpi_job *job, const struct tp_movable *piece, struct tpi_tier *to,
                           int *error);

/* Gives back what was reserved and not used. */
void tpi_job_end(struct tpi_job *job);

/* `bytes` have moved from a tier to the job's. */
void tpi_job_account(struct tpi_job *job, struct tpi_tier *from, size_t bytes);

#endif
