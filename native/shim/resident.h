/* resident.h - how much of an allocation the program ever had in memory, asked when it ends. First touches
 * are sampled and huge pages fault once for 512 pages; this is exact.
 */
#ifndef TP_RESIDENT_H
#define TP_RESIDENT_H

#include <stddef.h>
#include <stdint.h>

/* Smaller allocations are not asked for: the question costs some hundred nanoseconds. */
#define TP_RESIDENT_LEAST_BYTES ((size_t)1 << 20)

/* Resident pages of [address, address+size), plus 1; 0: not known. */
uint32_t tp_resident_pages(uintptr_t address, size_t size);

#endif
