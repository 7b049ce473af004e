/* modules.c - by the name of the file that is mapped there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "modules.h"

#include <pub_tool_aspacemgr.h>
#include <pub_tool_libcfile.h>

static const HChar *const tpi_own[] = {"libtierprof.so", "vgpreload_core-amd64-linux.so"};

static Bool tpi_is_own(const HChar *path) {
    const HChar *name = VG_(basename)(path);
    for (UInt i = 0; i < sizeof tpi_own / sizeof *tpi_own; i++)
        if (VG_STREQ(name, tpi_own[i])) return True;
    return False;
}

enum tp_module tp_module_of(Addr code) {
    const NSegment *segment = VG_(am_find_nsegment)(code);
    if (segment == NULL) return TP_MODULE_PROGRAM;
    if (segment->kind == SkAnonC) return TP_MODULE_NONE;
    const HChar *path = segment->kind == SkFileC ? VG_(am_get_filename)(segment) : NULL;
    return path != NULL && tpi_is_own(path) ? TP_MODULE_OWN : TP_MODULE_PROGRAM;
}
