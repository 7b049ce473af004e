/* freeze.h - keeps writers of a range waiting while it is copied; readers go on.
 *
 * By userfaultfd's write protection where the memory has it: whoever writes waits in the kernel, system calls
 * too, and needs no help of ours. Otherwise (files on disks and on fsdax) by mprotect: the writer's SIGSEGV
 * is claimed, and its handler sleeps until the copy is in place. Then a system call that writes into the
 * range fails with EFAULT meanwhile, which is told by a note; and a thread that blocks SIGSEGV would be
 * killed, so that nothing is frozen while there is one.
 *
 * A mover's thread takes no signals meanwhile (move.c): a handler of the program's could write to what is
 * frozen, and wait for itself.
 */
#ifndef TP_FREEZE_H
#define TP_FREEZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/control.h"

struct tpi_freeze {
    char *start;
    size_t size;
    uint64_t begun_ns;
    bool by_uffd;
};

/* After the last range of a move: no descriptor is kept. */
void tpi_freezer_close(void);

/* TP_STAY_NONE: nobody writes to the range any more. The freeze must be ended by the same thread, soon. */
enum tp_stay tpi_freeze_begin(struct tpi_freeze *freeze, char *start, size_t size, int *error);

/* False: somebody has taken the protection away, as a program does that closes all descriptors, ours too. */
bool tpi_freeze_holds(const struct tpi_freeze *freeze);

/* `replaced`: other pages are there now, which anybody may write to. Returns how long writers waited. */
uint64_t tpi_freeze_end(struct tpi_freeze *freeze, bool replaced);

#endif
