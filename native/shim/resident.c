/* resident.c - see resident.h. */
#include "resident.h"

#include "../common/rawio.h"

enum { TPI_PAGE = 4096, TPI_PAGES_A_CALL = 4096 };

uint32_t tp_resident_pages(uintptr_t address, size_t size) {
    uint8_t pages[TPI_PAGES_A_CALL];
    uintptr_t at = address & ~(uintptr_t)(TPI_PAGE - 1), end = address + size;
    uint64_t resident = 0;
    if (size < TP_RESIDENT_LEAST_BYTES) return 0;
    while (at < end) {
        size_t count = (end - at + TPI_PAGE - 1) / TPI_PAGE;
        if (count > TPI_PAGES_A_CALL) count = TPI_PAGES_A_CALL;
        if (syscall(SYS_mincore, at, count * TPI_PAGE, pages) != 0) return 0;
        for (size_t i = 0; i < count; i++)
            resident += pages[i] & 1;
        at += count * TPI_PAGE;
    }
    return resident < UINT32_MAX ? (uint32_t)resident + 1 : UINT32_MAX;
}
