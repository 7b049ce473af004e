/* modules.h - whose code it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_MODULES_H
#define TP_MODULES_H

#include "vex.h"

enum tp_module {
    TP_MODULE_PROGRAM, /* of a file */
    TP_MODULE_NONE,    /* of no file: made by the program as it runs */
    TP_MODULE_OWN,     /* the shim's, or Valgrind's in the program: counts for nothing */
};

enum tp_module tp_module_of(Addr code);

#endif
