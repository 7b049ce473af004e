/* python_code.h - what a Python frame is called: the file and function of its code object, which are written
 * down once (TP_META_CODE), and the line. Called with the lock of sites.c held.
 */
#ifndef TP_PYTHON_CODE_H
#define TP_PYTHON_CODE_H

#include "../common/hash.h"
#include "python.h"

enum tp_python_named {
    TP_PYTHON_UNNAMED, /* it is not what it should be, or there is no memory */
    TP_PYTHON_NAMED,
    TP_PYTHON_OUTERMOST /* it imports a module: who asked for that first says nothing of what is in it */
};

struct tp_python_place {
    struct tp_hash128 identity; /* the same in every run */
    struct tp_meta_line line;
};

enum tp_python_named tp_python_name(tp_guard *guard, const struct tp_python_frame *frame,
                                    struct tp_python_place *place);

/* An interpreter may have been unloaded: another's code may come to lie where its own was. */
void tp_python_code_forget(void);

/* In a forked child: its own file knows no code yet. */
void tp_python_code_fork_child(void);

#endif
