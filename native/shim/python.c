/* python.c - see python.h. */
#include "python.h"

#include <stdio.h>
#include <string.h>

#include "../common/hash.h"
#include "meta.h"
#include "options.h"
#include "python_layout.h"
#include "readable.h"

enum {
    TPI_MAX_STEPS = 512, /* a recursion deeper than this is cut, however few distinct frames it has */
    TPI_READERS = 16,
    TPI_LINE_BYTES = 64,
    TPI_MAX_YIELDS = 1000,
    TPI_NOTE_BYTES = 512,
    TPI_LINES_HASHED = 16,
    TPI_ENDS = 2 /* the import machinery has two files */
};

const struct tp_python *tp_python_met;

static struct tp_python tpi_interpreter;
static uint32_t tpi_paused;
static bool tpi_sound; /* a whole stack has been read */
static uintptr_t tpi_ends[TPI_ENDS];

/* How many threads are reading frames, by their numbers, so that they do not all write to one line. */
static struct {
    uint32_t count;
    char pad[TPI_LINE_BYTES - sizeof(uint32_t)];
} tpi_readers[TPI_READERS] __attribute__((aligned(TPI_LINE_BYTES)));

static uintptr_t tpi_word(uintptr_t address) {
    uintptr_t word;
    memcpy(&word, (const void *)address, sizeof word);
    return word;
}

/* The interpreter and the thread's state in it; NULL: it has none, and nothing is being read. Otherwise
 * tpi_leave must follow. */
static inline const struct tp_python *tpi_enter(const struct tp_thread *self, uintptr_t *state) {
    uint32_t *readers = &tpi_readers[self->tid % TPI_READERS].count;
    __atomic_fetch_add(readers, 1, __ATOMIC_SEQ_CST);
    const struct tp_python *python = __atomic_load_n(&tp_python_met, __ATOMIC_SEQ_CST);
    if (python != NULL && __atomic_load_n(&tpi_paused, __ATOMIC_SEQ_CST) == 0 && !python->finalizing()) {
        *state = (uintptr_t)python->thread_state();
        if (*state != 0) return python;
    }
    __atomic_fetch_sub(readers, 1, __ATOMIC_RELEASE);
    return NULL;
}

static inline void tpi_leave(const struct tp_thread *self) {
    __atomic_fetch_sub(&tpi_readers[self->tid % TPI_READERS].count, 1, __ATOMIC_RELEASE);
}

/* Waits until nobody reads who began before. Bounded: a reader may be a thread that a fork has left behind.
 */
static void tpi_settle(void) {
    for (unsigned i = 0, yields = 0; i < TPI_READERS && yields < TPI_MAX_YIELDS;) {
        if (__atomic_load_n(&tpi_readers[i].count, __ATOMIC_SEQ_CST) == 0) {
            i++;
        } else {
            yields++;
            syscall(SYS_sched_yield);
        }
    }
}

/* What tells a code object from another that lay at the same place before it. 3.11 numbers none: there the
 * lines of what is no function are mixed in, because such code is made and dropped by exec. */
static inline uint64_t tpi_version(const struct tp_python *python, struct tp_readable *known,
                                   uintptr_t code) {
    const struct tp_python_layout *at = &python->at;
    if (at->code_version != 0) return *(const uint32_t *)(code + at->code_version);
    uintptr_t lines = tpi_word(code + at->code_lines);
    uint64_t version =
        lines ^ tpi_word(code + at->code_qualname) << 8 ^ tpi_word(code + at->code_filename) << 16;
    version ^= (uint64_t)*(const uint32_t *)(code + at->code_first_line) << 40;
    bool function = (*(const uint32_t *)(code + TP_PYTHON_CODE_FLAGS) & TP_PYTHON_CODE_OPTIMIZED) != 0;
    if (function || lines % 8 != 0 || !tp_readable(known, lines, TP_PYTHON_BYTES + TPI_LINES_HASHED))
        return version;
    uintptr_t size = tpi_word(lines + TP_PYTHON_SIZE);
    uint64_t words[2] = {0, 0};
    memcpy(words, (const void *)(lines + TP_PYTHON_BYTES), size < sizeof words ? size : sizeof words);
    return tp_hash_word(tp_hash_word(version, words[0]), words[1] ^ size);
}

/* The thread's innermost frame; 0: none, or it cannot be read. *loop: as in struct tp_python_stack, if known.
 */
static inline uintptr_t tpi_innermost(const struct tp_python_layout *at, struct tp_readable *known,
                                      uintptr_t state, uintptr_t *loop) {
    uintptr_t holder = state;
    *loop = 0;
    if (known == NULL || state % 8 != 0 || !tp_readable(known, state, at->thread_cframe + at->current + 16u))
        return 0;
    if (at->thread_cframe != 0) {
        *loop = holder = tpi_word(state + at->thread_cframe);
        if (holder % 8 != 0 || !tp_readable(known, holder, at->current + 8u)) return 0;
    }
    return tpi_word(holder + at->current);
}

static inline bool tpi_is_code(const struct tp_python *python, struct tp_readable *known, uintptr_t code) {
    return code != 0 && code % 8 == 0 && tp_readable(known, code, python->at.code_instructions) &&
           tpi_word(code + TP_PYTHON_TYPE) == python->code_type;
}

static inline bool tpi_ends_at(const struct tp_python_layout *at, uintptr_t code) {
    uintptr_t file = tpi_word(code + at->code_filename);
    return file == __atomic_load_n(&tpi_ends[0], __ATOMIC_RELAXED) ||
           file == __atomic_load_n(&tpi_ends[1], __ATOMIC_RELAXED);
}

/* Walks outward until `limit` distinct frames are hashed. `stack` NULL: only the key is wanted. False: a
 * frame is not what it should be. */
static inline __attribute__((always_inline)) bool tpi_walk(struct tp_thread *self,
                                                           const struct tp_python *python, uintptr_t state,
                                                           unsigned limit, struct tp_python_key *key,
                                                           struct tp_python_stack *stack) {
    const struct tp_python_layout *at = &python->at;
    struct tp_readable *known = tp_readable_get(self);
    uintptr_t loop, frame = tpi_innermost(at, known, state, &loop), code = 0, instruction = 0;
    uint64_t hash = 0;
    unsigned n_frames = 0;
    bool cut = false;
    for (unsigned steps = 0; frame != 0; steps++, frame = tpi_word(frame + at->frame_previous)) {
        cut = steps == TPI_MAX_STEPS || frame % 8 != 0 || !tp_readable(known, frame, TP_PYTHON_FRAME_BYTES);
        if (cut) break;
        if (*(const uint8_t *)(frame + at->frame_owner) == TP_PYTHON_OWNER_C_STACK) {
            if (loop == 0) loop = frame;
            continue;
        }
        bool repeats = code == tpi_word(frame + at->frame_code) &&
                       instruction == tpi_word(frame + at->frame_instruction);
        if (repeats) continue;
        cut = n_frames == limit;
        if (cut) break;
        code = tpi_word(frame + at->frame_code);
        instruction = tpi_word(frame + at->frame_instruction);
        if (!tpi_is_code(python, known, code)) return false;
        uint64_t version = tpi_version(python, known, code);
        hash = tpi_mix(hash ^ code ^ 0xa0761d6478bd642full,
                       (version << 32 | version >> 32) ^ instruction ^ 0xe7037ed1a0b428dbull);
        if (stack != NULL) stack->frames[n_frames] = (struct tp_python_frame){code, instruction, version};
        if (n_frames < TP_PYTHON_NEAR) key->near = hash;
        n_frames++;
        if (tpi_ends_at(at, code)) break;
    }
    if (stack != NULL) {
        stack->loop = loop;
        stack->n_frames = n_frames;
        stack->truncated = cut;
    }
    key->all = n_frames > 0 ? hash | 1 : 0;
    return true;
}

struct tp_python_key tp_python_key_slow(struct tp_thread *self) {
    uintptr_t state;
    struct tp_python_key key = {0, 0};
    const struct tp_python *python = tpi_enter(self, &state);
    if (python == NULL) return key;
    if (!tpi_walk(self, python, state, TP_PYTHON_FRAMES, &key, NULL)) key = (struct tp_python_key){0, 0};
    tpi_leave(self);
    return key;
}

uint64_t tp_python_near_slow(struct tp_thread *self) {
    uintptr_t state;
    struct tp_python_key key = {0, 0};
    const struct tp_python *python = tpi_enter(self, &state);
    if (python == NULL) return 0;
    if (!tpi_walk(self, python, state, TP_PYTHON_NEAR, &key, NULL)) key.near = 0;
    tpi_leave(self);
    return key.near;
}

void tp_python_take(tp_guard *guard, struct tp_python_stack *stack) {
    uintptr_t state;
    stack->key = (struct tp_python_key){0, 0};
    stack->loop = 0;
    stack->n_frames = 0;
    stack->truncated = false;
    if (__atomic_load_n(&tp_python_met, __ATOMIC_RELAXED) == NULL) return;
    const struct tp_python *python = tpi_enter(guard->self, &state);
    if (python == NULL) return;
    bool sound = tpi_walk(guard->self, python, state, TP_PYTHON_FRAMES, &stack->key, stack);
    tpi_leave(guard->self);
    if (sound && stack->n_frames > 0) {
        if (!tpi_sound) __atomic_store_n(&tpi_sound, true, __ATOMIC_RELAXED);
        return;
    }
    if (!sound && !tpi_sound) tp_python_doubt(guard, "its frames are not where its version keeps them");
    stack->key = (struct tp_python_key){0, 0};
    stack->loop = 0;
    stack->n_frames = 0;
}

static void tpi_note(tp_guard *guard, const char *name, const char *why) {
    char text[TPI_NOTE_BYTES];
    snprintf(text, sizeof text, "no Python stacks of %s: %s", name[0] != '\0' ? name : tp_meta_program(),
             why);
    tp_meta_note(guard, TP_NOTE_NO_PYTHON, 0, text);
}

void tp_python_meet(tp_guard *guard, const struct tp_object *object) {
    const char *why = NULL;
    struct tp_python found = {.thread_state = NULL};
    if (tp_options.python == 0 || tp_python_met != NULL) return;
    enum tp_python_found kind = tp_python_find(object, &found, &why);
    if (kind == TP_PYTHON_STRANGE) tpi_note(guard, object->name, why);
    if (kind != TP_PYTHON_KNOWN) return;
    tpi_interpreter = found;
    __atomic_store_n(&tp_python_met, &tpi_interpreter, __ATOMIC_SEQ_CST);
}

void tp_python_ends_at(uintptr_t file) {
    static unsigned next;
    if (file == tpi_ends[0] || file == tpi_ends[1]) return;
    __atomic_store_n(&tpi_ends[next++ % TPI_ENDS], file, __ATOMIC_RELAXED);
}

void tp_python_doubt(tp_guard *guard, const char *why) {
    tp_options.python = 0;
    __atomic_store_n(&tp_python_met, NULL, __ATOMIC_SEQ_CST);
    tpi_note(guard, "", why);
}

void tp_python_pause(void) {
    __atomic_fetch_add(&tpi_paused, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&tp_python_met, __ATOMIC_RELAXED) != NULL) tpi_settle();
}

void tp_python_resume(bool unloaded) {
    if (unloaded) {
        __atomic_store_n(&tp_python_met, NULL, __ATOMIC_SEQ_CST);
        memset(tpi_ends, 0, sizeof tpi_ends);
    }
    if (__atomic_load_n(&tpi_paused, __ATOMIC_RELAXED) > 0) /* else a fork has come between */
        __atomic_fetch_sub(&tpi_paused, 1, __ATOMIC_SEQ_CST);
}

void tp_python_unmapping(tp_guard *guard, const void *start, size_t bytes) {
    const struct tp_python *python = __atomic_load_n(&tp_python_met, __ATOMIC_SEQ_CST);
    if (python == NULL) return;
    tp_readable_forget(guard->self, (uintptr_t)start, bytes);
    if (__atomic_load_n(&tpi_paused, __ATOMIC_SEQ_CST) == 0 && python->finalizing()) tpi_settle();
}

void tp_python_fork_child(void) {
    memset(tpi_readers, 0, sizeof tpi_readers);
    tpi_paused = 0;
}
