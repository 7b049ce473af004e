/* instrument.c - a block's code, with the stores of its record in between.
 *
 * At the block's start the position is loaded, and the buffer drained if there is no room for the largest
 * record. Each access stores its address at its place in the record. Before each exit the record's first
 * word, which says which exit, is stored, and the position after the record as of that exit: whoever leaves
 * there has a complete record, who runs on overwrites both.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "instrument.h"

#include "blocks.h"
#include "engine.h"
#include "modules.h"
#include "region.h"
#include "registers.h"

#include <pub_tool_libcprint.h>

#define TPI_GUEST(field) ((Int)offsetof(VexGuestAMD64State, field))

struct tpi_pass {
    const struct tp_scan *scan;
    const struct tpm_block *block;
    IRSB *out;
    IRTemp position;
    UInt n_written; /* words that the stored position is past the record's start; 0: not stored yet */
    UInt n_counted; /* instructions, in generated code */
    UInt next_exit;
    Bool generated; /* code from memory of no file */
};

static ULong tpi_generated;

ULong tp_instrument_generated(void) {
    return tpi_generated;
}

void tp_instrument_forget_generated(void) {
    tpi_generated = 0;
}

/* ---- pieces of code ---- */

static IRExpr *tpi_word(ULong value) {
    return IRExpr_Const(IRConst_U64(value));
}

static IRExpr *tpi_let(struct tpi_pass *pass, IRType type, IRExpr *value) {
    IRTemp temporary = newIRTemp(pass->out->tyenv, type);
    addStmtToIRSB(pass->out, IRStmt_WrTmp(temporary, value));
    return IRExpr_RdTmp(temporary);
}

static IRExpr *tpi_let_word(struct tpi_pass *pass, IRExpr *value) {
    return tpi_let(pass, Ity_I64, value);
}

static IRExpr *tpi_add(struct tpi_pass *pass, IRExpr *left, ULong right) {
    return tpi_let_word(pass, IRExpr_Binop(Iop_Add64, left, tpi_word(right)));
}

static void tpi_store(struct tpi_pass *pass, IRExpr *address, IRExpr *value) {
    addStmtToIRSB(pass->out, IRStmt_Store(Iend_LE, address, value));
}

static IRExpr *tpi_position(const struct tpi_pass *pass) {
    return IRExpr_RdTmp(pass->position);
}

static IRExpr *tpi_load_position(struct tpi_pass *pass) {
    return tpi_let_word(pass, IRExpr_Get(TP_POSITION_OFFSET, Ity_I64));
}

/* A call that may drain: it gets the guest's state and the position, and may change the position. */
static void tpi_call(struct tpi_pass *pass, const HChar *name, void *function, IRExpr *position,
                     IRExpr *guard) {
    IRDirty *call = unsafeIRDirty_0_N(0, name, function, mkIRExprVec_2(IRExpr_GSPTR(), position));
    if (guard != NULL) call->guard = guard;
    VG_(memset)(call->fxState, 0, sizeof call->fxState);
    call->nFxState = 2;
    call->fxState[0].fx = Ifx_Modify;
    call->fxState[0].offset = (UShort)TP_POSITION_OFFSET;
    call->fxState[0].size = sizeof(ULong);
    call->fxState[1].fx = Ifx_Read;
    call->fxState[1].offset = (UShort)TPI_GUEST(guest_RSP);
    call->fxState[1].size = sizeof(ULong);
    addStmtToIRSB(pass->out, IRStmt_Dirty(call));
}

/* ---- the record ---- */

static void tpi_begin_record(struct tpi_pass *pass) {
    ULong last = (Addr)(tp_engine_words + TP_WORDS - 1 - pass->scan->n_accesses);
    if (tp_region_by_function() && tp_region_starts_at(pass->scan->marks[0].pc))
        tpi_call(pass, "tp_region_entered", tp_region_entered, tpi_load_position(pass), NULL);
    IRExpr *position = tpi_load_position(pass);
    IRExpr *room = tpi_let(pass, Ity_I1, IRExpr_Binop(Iop_CmpLE64U, position, tpi_word(last)));
    IRExpr *full = tpi_let(pass, Ity_I1, IRExpr_Unop(Iop_Not1, room));
    tpi_call(pass, "tp_engine_drain_at", tp_engine_drain_at, position, full);
    pass->position = tpi_load_position(pass)->Iex.RdTmp.tmp;
}

static IRExpr *tpi_register(struct tpi_pass *pass, UInt number) {
    return tpi_let_word(pass, IRExpr_Get(tp_register_offset(number), Ity_I64));
}

/* The address of what VEX drops: prefetches, and loads whose value nobody uses. If a register was changed
 * before and is changed again after it, without an exit in between, VEX may have dropped the first change,
 * and the address is off by that. */
static IRExpr *tpi_operand(struct tpi_pass *pass, const struct tp_mark *mark) {
    const struct tp_operand *operand = &mark->decoded.operand;
    ULong constant = (ULong)(Long)operand->displacement + (operand->relative ? mark->pc + mark->length : 0);
    IRExpr *address = tpi_word(constant);
    if (operand->base >= 0) address = tpi_add(pass, tpi_register(pass, (UInt)operand->base), constant);
    if (operand->index >= 0) {
        IRExpr *index = tpi_register(pass, (UInt)operand->index);
        IRExpr *scaled =
            tpi_let_word(pass, IRExpr_Binop(Iop_Shl64, index, IRExpr_Const(IRConst_U8(operand->scale))));
        address = tpi_let_word(pass, IRExpr_Binop(Iop_Add64, address, scaled));
    }
    if (operand->segment == 0) return address;
    Int segment = operand->segment == 0x64 ? TPI_GUEST(guest_FS_CONST) : TPI_GUEST(guest_GS_CONST);
    IRExpr *start = tpi_let_word(pass, IRExpr_Get(segment, Ity_I64));
    return tpi_let_word(pass, IRExpr_Binop(Iop_Add64, address, start));
}

/* The address, or 0 if none of the guards holds. */
static IRExpr *tpi_guarded(struct tpi_pass *pass, const struct tp_found *found) {
    if (found->n_guards == 0) return found->address;
    IRExpr *any = tpi_let_word(pass, IRExpr_Unop(Iop_1Uto64, found->guards[0]));
    for (UInt i = 1; i < found->n_guards; i++) {
        IRExpr *guard = tpi_let_word(pass, IRExpr_Unop(Iop_1Uto64, found->guards[i]));
        any = tpi_let_word(pass, IRExpr_Binop(Iop_Or64, any, guard));
    }
    IRExpr *happens = tpi_let(pass, Ity_I1, IRExpr_Binop(Iop_CmpNE64, any, tpi_word(0)));
    return tpi_let_word(pass, IRExpr_ITE(happens, found->address, tpi_word(0)));
}

static void tpi_write_access(struct tpi_pass *pass, UInt number) {
    const struct tp_found *found = &pass->scan->accesses[number];
    IRExpr *value = found->kind == TPM_FENCE ? tpi_word(0)
                    : found->address == NULL ? tpi_operand(pass, &pass->scan->marks[found->mark])
                                             : tpi_guarded(pass, found);
    tpi_store(pass, tpi_add(pass, tpi_position(pass), (number + 1) * sizeof(ULong)), value);
}

static void tpi_count_generated(struct tpi_pass *pass, UInt n_instructions) {
    if (!pass->generated || n_instructions <= pass->n_counted) return;
    IRExpr *counter = tpi_word((Addr)&tpi_generated);
    IRExpr *count = tpi_let_word(pass, IRExpr_Load(Iend_LE, Ity_I64, counter));
    tpi_store(pass, counter, tpi_add(pass, count, n_instructions - pass->n_counted));
    pass->n_counted = n_instructions;
}

static void tpi_end_record(struct tpi_pass *pass) {
    const struct tpm_exit *exit = &pass->block->exits[pass->next_exit++];
    UInt n_words = 1 + exit->n_accesses;
    tpi_store(pass, tpi_position(pass), tpi_word((Addr)exit));
    if (n_words != pass->n_written) {
        IRExpr *next = tpi_add(pass, tpi_position(pass), n_words * sizeof(ULong));
        addStmtToIRSB(pass->out, IRStmt_Put(TP_POSITION_OFFSET, next));
    }
    pass->n_written = n_words;
    tpi_count_generated(pass, exit->n_instructions);
}

/* After a return, if the stack pointer is above the region's frame. */
static void tpi_watch_return(struct tpi_pass *pass) {
    if (!tp_region_by_function() || pass->out->jumpkind != Ijk_Ret) return;
    IRExpr *stack = tpi_let_word(pass, IRExpr_Get(TPI_GUEST(guest_RSP), Ity_I64));
    IRExpr *frame = tpi_let_word(pass, IRExpr_Load(Iend_LE, Ity_I64, tpi_word((Addr)&tp_region_frame)));
    IRExpr *left = tpi_let(pass, Ity_I1, IRExpr_Binop(Iop_CmpLT64U, frame, stack));
    tpi_call(pass, "tp_region_left", tp_region_left, tpi_load_position(pass), left);
}

/* ---- the block ---- */

static void tpi_copy(struct tpi_pass *pass) {
    const struct tp_scan *scan = pass->scan;
    const IRSB *code = scan->code;
    for (Int i = 0; i < scan->first; i++)
        addStmtToIRSB(pass->out, code->stmts[i]);
    tpi_begin_record(pass);
    for (Int i = scan->first; i < code->stmts_used; i++) {
        if (scan->exits[pass->next_exit].statement == i) tpi_end_record(pass);
        addStmtToIRSB(pass->out, code->stmts[i]);
        for (UInt k = 0; k < scan->n_accesses; k++)
            if (scan->accesses[k].statement == i) tpi_write_access(pass, k);
    }
    tpi_end_record(pass);
    tpi_watch_return(pass);
}

/* Notes an instruction that VEX does not know: it has no length. (ud2 has; a program that runs it wants the
 * signal.) */
static void tpi_note_unknown(const struct tp_scan *scan) {
    static Addr noted;
    const struct tp_mark *mark = &scan->marks[scan->n_marks - 1];
    if (scan->code->jumpkind != Ijk_NoDecode || mark->length > 0 || mark->pc == noted) return;
    HChar text[3 * 8 + 1];
    const UChar *bytes = (const UChar *)mark->pc;
    SizeT readable = 4096 - mark->pc % 4096;
    text[0] = '\0';
    for (UInt i = 0; i < 8 && i < readable; i++)
        VG_(sprintf)(text + VG_(strlen)(text), i == 0 ? "%02x" : " %02x", bytes[i]);
    tp_engine_note(TPX_NOTE_NO_DECODE, mark->pc, text);
    noted = mark->pc;
}

IRSB *tp_instrument(VgCallbackClosure *closure, IRSB *code, const VexGuestLayout *layout,
                    const VexGuestExtents *extents, const VexArchInfo *host, IRType guest_word,
                    IRType host_word) {
    static struct tp_flows flows;
    struct tp_scan scan;
    enum tp_module module = tp_module_of(closure->readdr);
    if (module == TP_MODULE_OWN || !tp_scan(code, &scan)) return code;
    tpi_note_unknown(&scan);
    tl_assert(scan.n_accesses < TP_WORDS / 2);
    tp_flows_find(&scan, &flows);
    struct tpi_pass pass = {.scan = &scan, .generated = module == TP_MODULE_NONE};
    pass.block = tp_blocks_add(closure->nraddr, extents, &scan, &flows);
    pass.out = deepCopyIRSBExceptStmts(code);
    tpi_copy(&pass);
    return pass.out;
}
