/* python.h - the Python frames of the calling thread, if it has any.
 *
 * A thread that is inside a C function which Python called has frames that nobody else changes, with the
 * interpreter's lock held or without. They are read as they lie in memory: nothing is allocated, no reference
 * counted, no lock taken, and the interpreter is asked for nothing but the thread's state, which is a
 * pthread_getspecific. Every step asks whether it can be read, because a signal handler may see a frame that
 * is half entered; on doubt the stack ends there. While the interpreter goes away it is left alone.
 */
#ifndef TP_PYTHON_H
#define TP_PYTHON_H

#include "guard.h"
#include "objects.h"

#define TP_PYTHON_FRAMES 32u
#define TP_PYTHON_NEAR 4u

struct tp_python_frame {
    uintptr_t code;        /* the code object, which the frame keeps alive */
    uintptr_t instruction; /* the address that the frame notes in it */
    uint64_t version;      /* tells the code object from another that lay there before */
};

/* All frames in one word, and the innermost TP_PYTHON_NEAR: of this process alone. 0: no Python. */
struct tp_python_key {
    uint64_t all, near;
};

struct tp_python_stack {
    struct tp_python_key key;
    uintptr_t
        loop; /* an address on the C stack in the frame of the innermost evaluation loop; 0: not known */
    unsigned n_frames;
    bool truncated;
    struct tp_python_frame frames[TP_PYTHON_FRAMES]; /* innermost first; consecutive repeats are one */
};

/* NULL: no interpreter has been met. */
extern const struct tp_python *tp_python_met;

struct tp_python_key tp_python_key_slow(struct tp_thread *self);

static inline struct tp_python_key tp_python_key(struct tp_thread *self) {
    if (__builtin_expect(__atomic_load_n(&tp_python_met, __ATOMIC_RELAXED) == NULL, 1))
        return (struct tp_python_key){0, 0};
    return tp_python_key_slow(self);
}

/* The key's `near` alone, in less time. */
uint64_t tp_python_near_slow(struct tp_thread *self);

static inline uint64_t tp_python_near(struct tp_thread *self) {
    if (__builtin_expect(__atomic_load_n(&tp_python_met, __ATOMIC_RELAXED) == NULL, 1)) return 0;
    return tp_python_near_slow(self);
}

void tp_python_take(tp_guard *guard, struct tp_python_stack *stack);

/* A loaded object that has not been seen before; it may be an interpreter. */
void tp_python_meet(tp_guard *guard, const struct tp_object *object);

/* The file's name, a str, of code that imports modules: who asked for that first says nothing of what is in
 * them, so that stacks end there. Called with the lock of sites.c held. */
void tp_python_ends_at(uintptr_t file);

/* Its frames are not what they should be. */
void tp_python_doubt(tp_guard *guard, const char *why);

/* An object may be unloaded between the two; `unloaded`: it was one. */
void tp_python_pause(void);
void tp_python_resume(bool unloaded);

/* Memory will be unmapped: if the interpreter is on its way out, nobody is reading its threads' afterwards.
 */
void tp_python_unmapping(tp_guard *guard, const void *start, size_t bytes);

void tp_python_fork_child(void);

#endif
