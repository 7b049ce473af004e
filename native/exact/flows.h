/* flows.h - what waits for what in a piece of code: the longest way from each source to each value, in
 * cycles.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_FLOWS_H
#define TP_FLOWS_H

#include "scan.h"

/* Flows `first` to `first + count`, in tp_flows.flows. */
struct tp_span {
    UInt first, count;
};

struct tp_transfer {
    UInt reg;
    struct tp_span value;
};

struct tp_flows {
    struct tpm_flow *flows;
    UInt n_flows, capacity;
    struct tp_transfer *transfers;
    UInt n_transfers;
    struct tp_span *address, *data; /* by access */
    struct tp_span *condition;      /* by exit */
    struct tp_span *exit_transfers; /* by exit: in `transfers` */
};

/* The arrays stay until the next call. */
void tp_flows_find(const struct tp_scan *scan, struct tp_flows *flows);

#endif
