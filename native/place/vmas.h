/* vmas.h - may the mappings of a range be replaced by copies? */
#ifndef TP_VMAS_H
#define TP_VMAS_H

#include <stddef.h>
#include <stdint.h>

#include "../common/control.h"

/* TP_STAY_NONE: all of it is readable and writable, and neither locked into memory nor pinned for a device.
 * Otherwise why it must stay. Uses static memory: one mover at a time. */
enum tp_stay tpi_vmas_replaceable(uintptr_t start, uintptr_t end);

#endif
