/* private.h - memory of a shared tier becomes private and anonymous where it is, because the program asks the
 * kernel for something that shared memory cannot do, or forks on it as its stack. It is lost to its tier
 * until it is freed, and keeps its content.
 */
#ifndef TP_PRIVATE_H
#define TP_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All whole mappings' parts that are shared in [start, start+size), which are multiples of the tier's
 * granule; the thread's own stack may be among them. False: without memory for a copy; nothing is lost. */
bool tpi_private_make(uintptr_t start, size_t size);
void tpi_private_fork_child(void);

#endif
