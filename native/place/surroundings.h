/* surroundings.h - what around a process speaks against sending it SIGTRAP. */
#ifndef TP_SURROUNDINGS_H
#define TP_SURROUNDINGS_H

#include <stdbool.h>

/* NULL, or in words why a sample would do harm here. Also remembers which filters of system calls there are.
 */
const char *tpi_surroundings_check(void);

/* Has a filter of system calls come since? To ask for an event might end the process then. */
bool tpi_surroundings_narrowed(void);

#endif
