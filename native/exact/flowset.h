/* flowset.h - a set of flows while it is being made: for every source the longest way from it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_FLOWSET_H
#define TP_FLOWSET_H

#include "../model/block.h"
#include "vex.h"

enum { TP_SOURCES = TPM_REGISTERS + TPM_LOADS, TP_CYCLES_MAX = 254 };

/* By source: 0 none, else cycles + 1. */
struct tp_flowset {
    UChar ways[TP_SOURCES];
};

static inline void tp_flowset_add(struct tp_flowset *set, UInt source, UInt cycles) {
    UChar way = (UChar)(cycles < TP_CYCLES_MAX ? cycles + 1 : TP_CYCLES_MAX + 1);
    if (way > set->ways[source]) set->ways[source] = way;
}

/* Adds all flows of `other`, each `cycles` longer. */
static inline void tp_flowset_join(struct tp_flowset *restrict set, const struct tp_flowset *restrict other,
                                   UInt cycles) {
    for (UInt i = 0; i < TP_SOURCES; i++) {
        UInt way = other->ways[i] == 0 ? 0 : other->ways[i] + cycles;
        if (way > TP_CYCLES_MAX + 1) way = TP_CYCLES_MAX + 1;
        if (way > set->ways[i]) set->ways[i] = (UChar)way;
    }
}

#endif
