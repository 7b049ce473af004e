/* volume.h - how many bytes of small allocations are alive at each site, by the samples: a site whose volume
 * grows large gets memory of its own for what it allocates from then on.
 */
#ifndef TP_VOLUME_H
#define TP_VOLUME_H

#include "guard.h"

/* Adds what a sample stands for; negative when it ends. */
void tp_volume_add(tp_guard *guard, uint32_t site, int64_t bytes);

#endif
