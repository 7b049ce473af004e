/* meta.h - writes meta.PID.SEQ.bin: process, modules, sites, notes, exit. Each record is one write(2) to the
 * file opened for it, because no descriptor is kept. */
#ifndef TP_META_H
#define TP_META_H

#include <limits.h>

#include "guard.h"

/* A record is put together from parts that lie apart. */
struct tp_meta_part {
    const void *bytes;
    size_t size;
};

#define TP_META_PARTS 4u

struct tp_meta_record {
    enum tp_meta_type type;
    const struct tp_meta_part *parts;
    unsigned n_parts;
};

/* FOLDER/kind.PID.SEQ.bin; too long for the stack of a small thread. */
#define TP_META_PATH_BYTES (PATH_MAX + 64)
typedef char tp_meta_path[TP_META_PATH_BYTES];

/* Where a file of this process lies. */
void tp_meta_name(const char *kind, tp_meta_path path);

/* Picks SEQ, makes the file, writes its header and the process record. False: the folder cannot be written
 * to. */
bool tp_meta_start(tp_guard *guard, bool forked);

/* Appends a record. False: not recording, or it could not be written, and nothing more will be. */
bool tp_meta_write(tp_guard *guard, enum tp_meta_type type, const struct tp_meta_part *parts,
                   unsigned n_parts);

/* The same for a record and a second one that belongs to it, in one write. */
bool tp_meta_write_two(tp_guard *guard, const struct tp_meta_record *first,
                       const struct tp_meta_record *second);

/* Tells, once for each code, what the shim could not do. */
void tp_meta_note(tp_guard *guard, enum tp_note_code code, uint32_t value, const char *text);

void tp_meta_exit(tp_guard *guard);

/* The program's path, as it was when the process started. */
const char *tp_meta_program(void);

void tp_meta_fork_prepare(tp_guard *guard);
void tp_meta_fork_parent(tp_guard *guard);
void tp_meta_fork_child(void);

#endif
