/* python_layout.h - where an interpreter of CPython 3.11, 3.12 or 3.13 keeps what the stack of a Python
 * thread consists of.
 *
 * Words: a thread state is what the interpreter keeps for a thread; a frame is one call of a Python function,
 * and knows its code object and how far it has come in it; a frame of the C stack is a mark that the
 * evaluation loop leaves for itself (3.12 and later).
 */
#ifndef TP_PYTHON_LAYOUT_H
#define TP_PYTHON_LAYOUT_H

#include "objects.h"

struct tp_python_layout {
    uint16_t thread_cframe; /* in a thread state: the loop's own record on the C stack; 0: there is none */
    uint16_t current;       /* in that, or else in the thread state: the innermost frame */
    uint16_t frame_code, frame_previous, frame_instruction, frame_owner;
    uint16_t code_filename, code_qualname, code_lines, code_first_line, code_instructions;
    uint16_t code_version;             /* a number that no other code object has; 0: there is none */
    uint16_t text_ascii, text_compact; /* where the letters of a str begin: ASCII alone, or others too */
};

/* What is the same in all of them. */
enum {
    TP_PYTHON_TYPE = 8,         /* in any object */
    TP_PYTHON_SIZE = 16,        /* in bytes and code objects, which counts instructions; in str, too */
    TP_PYTHON_BYTES = 32,       /* in bytes: the first */
    TP_PYTHON_TEXT_STATE = 32,  /* in a str: its kind */
    TP_PYTHON_CODE_FLAGS = 48,  /* in a code object */
    TP_PYTHON_FRAME_BYTES = 80, /* of a frame before its variables */
    TP_PYTHON_CODE_UNIT = 2,    /* bytes of an instruction without its argument's extension */
};

enum { TP_PYTHON_OWNER_C_STACK = 3, TP_PYTHON_CODE_OPTIMIZED = 1 };

struct tp_python {
    struct tp_python_layout at;
    void *(*thread_state)(void); /* of the calling thread; NULL: it has none */
    int (*finalizing)(void);
    uintptr_t code_type, text_type, bytes_type;
};

enum tp_python_found { TP_PYTHON_NONE, TP_PYTHON_KNOWN, TP_PYTHON_STRANGE };

/* Is the object an interpreter, and one whose layout is known? *why: if it is strange. Takes no lock. */
enum tp_python_found tp_python_find(const struct tp_object *object, struct tp_python *python,
                                    const char **why);

#endif
