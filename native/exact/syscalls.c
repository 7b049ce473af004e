/* exec.c - looks at the file first: shells and execvp try folder after folder, and only one attempt succeeds.
 *
 * If one that looks good fails all the same (too many arguments, no memory), the rest of the process is not
 * measured.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "syscalls.h"

#include "engine.h"
#include "ranges.h"

#include <pub_tool_aspacemgr.h>
#include <pub_tool_libcfile.h>
#include <pub_tool_vki.h>
#include <pub_tool_vkiscnums.h>

/* Of a program, or of a script that names its interpreter. */
static Bool tpi_starts_well(const HChar *path) {
    UChar start[4] = {0};
    Int file = VG_(fd_open)(path, VKI_O_RDONLY, 0);
    if (file < 0) return False;
    Int bytes = VG_(read)(file, start, sizeof start);
    VG_(close)(file);
    Bool script = bytes >= 2 && start[0] == '#' && start[1] == '!';
    return script || (bytes == 4 && VG_(memcmp)(start, "\177ELF", 4) == 0);
}

static Bool tpi_will_run(const HChar *path) {
    const UInt type_bits = 0170000, regular = 0100000, executable = 0111;
    struct vg_stat stat;
    if (!VG_(am_is_valid_for_client)((Addr)path, 1, VKI_PROT_READ)) return False;
    if (sr_isError(VG_(stat)(path, &stat))) return False;
    return (stat.mode & type_bits) == regular && (stat.mode & executable) != 0 && tpi_starts_well(path);
}

static void tpi_before(ThreadId thread, UInt number, UWord *arguments, UInt n_arguments) {
    if (number == __NR_execve && tpi_will_run((const HChar *)arguments[0])) tp_engine_replaced();
    if (number == __NR_mmap) tp_ranges_asked((arguments[3] & VKI_MAP_FIXED) != 0);
    if (number == __NR_execveat) tp_engine_replaced(); /* of an open file, mostly: it was found already */
}

static void tpi_after(ThreadId thread, UInt number, UWord *arguments, UInt n_arguments, SysRes result) {}

void tp_syscalls_track(void) {
    VG_(needs_syscall_wrapper)(tpi_before, tpi_after);
}
