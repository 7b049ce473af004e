/* sigtrap.h - SIGTRAP is ours while emulation runs, and the program need not know.
 *
 * A program that sets SIGTRAP to its default action would be killed by the next sample. So sigaction() and
 * signal() are interposed for this one signal: what the program asks for is remembered, told back, and
 * applied to every SIGTRAP that is not ours.
 */
#ifndef TP_SIGTRAP_H
#define TP_SIGTRAP_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

typedef void tpi_trap_handler(bool late, const ucontext_t *context);

/* From now on `handler` gets the signals of perf events that carry `cookie`. */
bool tpi_sigtrap_install(uint64_t cookie, tpi_trap_handler *handler);

#endif
