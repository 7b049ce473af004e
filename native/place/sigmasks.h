/* sigmasks.h - does a thread of this process block a signal? */
#ifndef TP_SIGMASKS_H
#define TP_SIGMASKS_H

#include <stdbool.h>

/* Also true if that cannot be found out. The calling thread is not asked: it is not about to write. Uses
 * static memory: one mover at a time. */
bool tpi_sigmasks_have(int number);

#endif
