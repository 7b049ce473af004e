/* region.h - the calls of tierprof_region.h as functions, for languages that cannot include it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TP_REGION_LIBRARY_H
#define TP_REGION_LIBRARY_H

void tierprof_mark_begin(void);
void tierprof_mark_end(void);

#endif
