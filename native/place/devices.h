/* devices.h - may a device write into this process's memory behind the kernel's protection of its pages? */
#ifndef TP_DEVICES_H
#define TP_DEVICES_H

#include <stdbool.h>

/* Is a file open through which that can be: one that bypasses the page cache (O_DIRECT), or a device whose
 * driver may have pinned pages, which the kernel tells nobody? Also true if that cannot be found out. Uses
 * static memory: one mover at a time. */
bool tpi_devices_may_write(void);

#endif
