/* region.c - what base/region.py calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "region.h"

#include "../include/tierprof_region.h"

__attribute__((visibility("default"))) void tierprof_mark_begin(void) {
    tierprof_region_begin();
}

__attribute__((visibility("default"))) void tierprof_mark_end(void) {
    tierprof_region_end();
}
