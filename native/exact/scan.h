/* scan.h - what a piece of VEX's code does to memory and where it may be left, as the instructions have it.
 *
 * VEX makes several loads or stores of one access (lanes, a locked instruction's load and compare-and-swap)
 * and instructions that repeat; here they are put together again, so that counts are those of the instruction
 * set.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TP_SCAN_H
#define TP_SCAN_H

#include "../model/block.h"
#include "decode.h"
#include "vex.h"

#define TP_GUARDS 8u

struct tp_mark {
    Addr pc;
    UInt length;
    Int statement;
    struct tp_instruction decoded;
};

struct tp_found {
    enum tpm_kind kind;
    IRExpr *address; /* an atom; NULL: VEX has none, it is the mark's operand (or a fence) */
    IRTemp root;     /* the address is this one plus `offset`; IRTemp_INVALID: a constant */
    Long offset;
    UInt bytes, mark;
    Int statement; /* the last that has part in it */
    UInt n_guards; /* it happens if one of them is true; 0: always */
    IRExpr *guards[TP_GUARDS];
};

struct tp_leave {
    Int statement; /* an Exit; of the last one: stmts_used */
    enum tpm_exit_kind kind;
    UInt n_accesses, n_instructions;
};

struct tp_scan {
    const IRSB *code;
    Int first; /* statement: the first mark; what is before it is VEX's own */
    UInt n_marks, n_accesses, n_exits;
    struct tp_mark *marks;
    struct tp_found *accesses;
    struct tp_leave *exits;
    Int *load_at, *store_at; /* by statement: which access it loads or stores for, or -1 */
};

/* False: there is no instruction in it. The arrays stay until the next scan. */
Bool tp_scan(const IRSB *code, struct tp_scan *scan);

#endif
