/* scan.c - one pass over the statements.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "scan.h"

#include "scratch.h"

#define TPI_BYTES_MAX 4096u

/* Where an address comes from: another temporary, some constant away. */
struct tpi_place {
    IRTemp root;
    Long offset;
    const IRExpr *choice; /* an if-then-else that it is the value of */
};

struct tpi_pass {
    struct tp_scan *scan;
    struct tpi_place *places; /* by temporary */
    UInt n_begun;             /* instructions, the current one included */
    UInt joinable;            /* accesses from here on may be other pieces of one that comes */
    Int statement;
};

static struct tp_scratch tpi_marks, tpi_accesses, tpi_exits, tpi_loads, tpi_stores, tpi_places;

static struct tpi_place tpi_place(const struct tpi_pass *pass, const IRExpr *atom) {
    if (atom->tag == Iex_RdTmp) return pass->places[atom->Iex.RdTmp.tmp];
    return (struct tpi_place){IRTemp_INVALID, (Long)atom->Iex.Const.con->Ico.U64, NULL};
}

/* t = u + constant, t = u - constant, t = u; anything else is a root of its own. */
static void tpi_derive(struct tpi_pass *pass, IRTemp temporary, const IRExpr *value) {
    struct tpi_place *place = &pass->places[temporary];
    if (value->tag == Iex_RdTmp) *place = tpi_place(pass, value);
    if (value->tag == Iex_ITE) place->choice = value;
    if (value->tag != Iex_Binop) return;
    IROp operation = value->Iex.Binop.op;
    const IRExpr *left = value->Iex.Binop.arg1, *right = value->Iex.Binop.arg2;
    if ((operation != Iop_Add64 && operation != Iop_Sub64) || left->tag != Iex_RdTmp ||
        right->tag != Iex_Const)
        return;
    Long constant = (Long)right->Iex.Const.con->Ico.U64;
    *place = tpi_place(pass, left);
    place->offset += operation == Iop_Add64 ? constant : -constant;
}

static struct tp_mark *tpi_mark(const struct tpi_pass *pass) {
    return &pass->scan->marks[pass->scan->n_marks - 1];
}

static Bool tpi_joins(const struct tp_found *found, const struct tp_found *piece, uint32_t traits) {
    Bool alike = found->kind == piece->kind || found->kind == TPM_UPDATE || piece->kind == TPM_UPDATE;
    if (!alike || found->root != piece->root || found->address == NULL) return False;
    if (traits & TP_SAVE_AREA) return True;
    return piece->offset <= found->offset + found->bytes && found->offset <= piece->offset + piece->bytes;
}

static void tpi_join_guards(struct tp_found *found, const struct tp_found *piece) {
    if (found->n_guards == 0) return;
    if (piece->n_guards == 0 || found->n_guards == TP_GUARDS)
        found->n_guards = 0;
    else
        found->guards[found->n_guards++] = piece->guards[0];
}

static void tpi_join(struct tp_found *found, const struct tp_found *piece) {
    Long end = found->offset + found->bytes, piece_end = piece->offset + piece->bytes;
    tpi_join_guards(found, piece);
    if (piece->kind == TPM_UPDATE) found->kind = TPM_UPDATE;
    if (piece->offset < found->offset) {
        found->offset = piece->offset;
        found->address = piece->address;
    }
    if (piece_end > end) end = piece_end;
    found->bytes = (UInt)(end - found->offset);
    found->statement = piece->statement;
}

/* Adds a piece to the access that it is part of, or as a new one. Returns which. */
static Int tpi_add(struct tpi_pass *pass, struct tp_found piece) {
    struct tp_scan *scan = pass->scan;
    uint32_t traits = tpi_mark(pass)->decoded.traits;
    piece.mark = scan->n_marks - 1;
    piece.statement = pass->statement;
    if (piece.kind == TPM_STORE && traits & TP_NON_TEMPORAL) piece.kind = TPM_STORE_NT;
    UInt number = pass->joinable;
    while (number < scan->n_accesses && !tpi_joins(&scan->accesses[number], &piece, traits))
        number++;
    if (number < scan->n_accesses)
        tpi_join(&scan->accesses[number], &piece);
    else
        scan->accesses[scan->n_accesses++] = piece;
    if (scan->accesses[number].bytes > TPI_BYTES_MAX) scan->accesses[number].bytes = TPI_BYTES_MAX;
    return (Int)number;
}

static Int tpi_memory(struct tpi_pass *pass, enum tpm_kind kind, IRExpr *address, Int bytes, IRExpr *guard) {
    uint32_t traits = tpi_mark(pass)->decoded.traits;
    if (traits & TP_NO_MEMORY || (traits & TP_STORE_ONLY && kind == TPM_LOAD)) return -1;
    struct tpi_place place = tpi_place(pass, address);
    if (traits & TP_GATHER && place.choice != NULL) {
        address = place.choice->Iex.ITE.iftrue;
        guard = place.choice->Iex.ITE.cond;
    }
    Bool always = guard == NULL || guard->tag == Iex_Const;
    if (always && guard != NULL && !guard->Iex.Const.con->Ico.U1) return -1;
    return tpi_add(pass, (struct tp_found){.kind = kind,
                                           .address = address,
                                           .root = place.root,
                                           .offset = place.offset,
                                           .bytes = (UInt)bytes,
                                           .n_guards = always ? 0 : 1,
                                           .guards = {guard}});
}

static Int tpi_size(const struct tpi_pass *pass, const IRExpr *value) {
    return sizeofIRType(typeOfIRExpr(pass->scan->code->tyenv, value));
}

static void tpi_guarded_load(struct tpi_pass *pass, const IRLoadG *load) {
    IRType result, loaded;
    typeOfIRLoadGOp(load->cvt, &result, &loaded);
    pass->scan->load_at[pass->statement] =
        tpi_memory(pass, TPM_LOAD, load->addr, sizeofIRType(loaded), load->guard);
}

static void tpi_swap(struct tpi_pass *pass, const IRCAS *swap) {
    Int bytes = tpi_size(pass, swap->dataLo) * (swap->dataHi != NULL ? 2 : 1);
    Int number = tpi_memory(pass, TPM_UPDATE, swap->addr, bytes, NULL);
    pass->scan->load_at[pass->statement] = pass->scan->store_at[pass->statement] = number;
}

static void tpi_helper(struct tpi_pass *pass, const IRDirty *helper) {
    struct tp_scan *scan = pass->scan;
    if (helper->mFx == Ifx_Read || helper->mFx == Ifx_Modify)
        scan->load_at[pass->statement] =
            tpi_memory(pass, TPM_LOAD, helper->mAddr, helper->mSize, helper->guard);
    if (helper->mFx == Ifx_Write || helper->mFx == Ifx_Modify)
        scan->store_at[pass->statement] =
            tpi_memory(pass, TPM_STORE, helper->mAddr, helper->mSize, helper->guard);
}

/* Loads whose value nobody uses are gone from VEX's code, and are put back. */
static void tpi_finish_instruction(struct tpi_pass *pass) {
    struct tp_scan *scan = pass->scan;
    if (scan->n_marks == 0) return;
    const struct tp_mark *mark = tpi_mark(pass);
    const struct tp_found *found = NULL;
    Bool loads = False;
    for (UInt i = scan->n_accesses; i > 0 && scan->accesses[i - 1].mark == scan->n_marks - 1; i--) {
        found = &scan->accesses[i - 1];
        loads |= found->kind != TPM_STORE;
    }
    struct tp_found load = {.kind = TPM_LOAD, .bytes = mark->decoded.operand.bytes};
    if (found != NULL) load = *found;
    load.kind = TPM_LOAD;
    if (loads || !(mark->decoded.traits & (found == NULL ? TP_LOADS : TP_LOADS_OWN))) return;
    Int statement = pass->statement;
    pass->statement = found == NULL ? mark->statement : found->statement;
    tpi_add(pass, load);
    pass->statement = statement;
}

static void tpi_begin_instruction(struct tpi_pass *pass, Addr pc, UInt length) {
    struct tp_scan *scan = pass->scan;
    tpi_finish_instruction(pass);
    const struct tp_mark *last = scan->n_marks > 0 ? tpi_mark(pass) : NULL;
    Bool repeats = last != NULL && last->pc == pc && last->decoded.traits & TP_REP_STRING;
    struct tp_mark *mark = &scan->marks[scan->n_marks++];
    *mark = (struct tp_mark){.pc = pc, .length = length, .statement = pass->statement};
    tp_decode((const uint8_t *)pc, length, &mark->decoded);
    if (!repeats) pass->n_begun++;
    pass->joinable = scan->n_accesses;
    if (mark->decoded.traits & TP_PREFETCH)
        tpi_add(pass, (struct tp_found){.kind = TPM_PREFETCH, .bytes = 1});
    if (mark->decoded.traits & TP_FENCE) tpi_add(pass, (struct tp_found){.kind = TPM_FENCE, .bytes = 1});
    pass->joinable = scan->n_accesses;
}

/* An exit to itself is in the middle of an instruction that repeats. */
static UInt tpi_instructions(const struct tpi_pass *pass, const IRConst *target) {
    const struct tp_mark *mark = tpi_mark(pass);
    Bool repeats = mark->decoded.traits & TP_REP_STRING && target != NULL && target->Ico.U64 == mark->pc;
    return pass->n_begun - (repeats ? 1 : 0);
}

static void tpi_leave(struct tpi_pass *pass, enum tpm_exit_kind kind, UInt n_instructions) {
    struct tp_scan *scan = pass->scan;
    scan->exits[scan->n_exits++] = (struct tp_leave){pass->statement, kind, scan->n_accesses, n_instructions};
    pass->joinable = scan->n_accesses;
}

/* Exits that raise a signal are left as they are: like any other fault they cut the block's execution short.
 */
static void tpi_exit(struct tpi_pass *pass, IRJumpKind jump, const IRConst *target) {
    if (jump >= Ijk_SigILL && jump <= Ijk_SigFPE_IntOvf) return;
    Bool branch = jump == Ijk_Boring && tpi_mark(pass)->decoded.traits & TP_BRANCH;
    tpi_leave(pass, branch ? TPM_BRANCH : TPM_OTHER, tpi_instructions(pass, target));
}

static enum tpm_exit_kind tpi_end_kind(const IRSB *code) {
    if (code->jumpkind == Ijk_Ret) return TPM_RETURN;
    if (code->jumpkind != Ijk_Boring && code->jumpkind != Ijk_Call) return TPM_OTHER;
    return code->next->tag == Iex_Const ? TPM_JUMP : TPM_INDIRECT;
}

static void tpi_end(struct tpi_pass *pass) {
    const IRSB *code = pass->scan->code;
    const IRConst *target = code->next->tag == Iex_Const ? code->next->Iex.Const.con : NULL;
    UInt n_instructions = tpi_instructions(pass, target);
    tpi_finish_instruction(pass);
    if (code->jumpkind == Ijk_NoDecode) n_instructions--; /* the one that was not understood did not run */
    tpi_leave(pass, tpi_end_kind(code), n_instructions);
}

static void tpi_statement(struct tpi_pass *pass, const IRStmt *statement) {
    struct tp_scan *scan = pass->scan;
    switch (statement->tag) {
    case Ist_IMark:
        tpi_begin_instruction(pass, statement->Ist.IMark.addr, statement->Ist.IMark.len);
        break;
    case Ist_WrTmp: {
        const IRExpr *value = statement->Ist.WrTmp.data;
        tpi_derive(pass, statement->Ist.WrTmp.tmp, value);
        if (value->tag == Iex_Load)
            scan->load_at[pass->statement] =
                tpi_memory(pass, TPM_LOAD, value->Iex.Load.addr, sizeofIRType(value->Iex.Load.ty), NULL);
        break;
    }
    case Ist_Store:
        scan->store_at[pass->statement] = tpi_memory(pass, TPM_STORE, statement->Ist.Store.addr,
                                                     tpi_size(pass, statement->Ist.Store.data), NULL);
        break;
    case Ist_StoreG: {
        const IRStoreG *store = statement->Ist.StoreG.details;
        scan->store_at[pass->statement] =
            tpi_memory(pass, TPM_STORE, store->addr, tpi_size(pass, store->data), store->guard);
        break;
    }
    case Ist_LoadG:
        tpi_guarded_load(pass, statement->Ist.LoadG.details);
        break;
    case Ist_CAS:
        tpi_swap(pass, statement->Ist.CAS.details);
        break;
    case Ist_Dirty:
        tpi_helper(pass, statement->Ist.Dirty.details);
        break;
    case Ist_Exit:
        tpi_exit(pass, statement->Ist.Exit.jk, statement->Ist.Exit.dst);
        break;
    default:
        break;
    }
}

static Int tpi_first_mark(const IRSB *code) {
    Int statement = 0;
    while (statement < code->stmts_used && code->stmts[statement]->tag != Ist_IMark)
        statement++;
    return statement;
}

Bool tp_scan(const IRSB *code, struct tp_scan *scan) {
    SizeT n = (SizeT)code->stmts_used + 1;
    *scan = (struct tp_scan){.code = code, .first = tpi_first_mark(code)};
    if (scan->first == code->stmts_used) return False;
    scan->marks = tp_scratch_get(&tpi_marks, n * sizeof *scan->marks);
    scan->accesses = tp_scratch_get(&tpi_accesses, 2 * n * sizeof *scan->accesses);
    scan->exits = tp_scratch_get(&tpi_exits, n * sizeof *scan->exits);
    scan->load_at = tp_scratch_get(&tpi_loads, n * sizeof *scan->load_at);
    scan->store_at = tp_scratch_get(&tpi_stores, n * sizeof *scan->store_at);
    struct tpi_pass pass = {.scan = scan};
    pass.places = tp_scratch_get(&tpi_places, (SizeT)code->tyenv->types_used * sizeof *pass.places);
    for (Int i = 0; i < code->tyenv->types_used; i++)
        pass.places[i] = (struct tpi_place){(IRTemp)i, 0, NULL};
    for (Int i = 0; i < code->stmts_used; i++)
        scan->load_at[i] = scan->store_at[i] = -1;
    for (pass.statement = scan->first; pass.statement < code->stmts_used; pass.statement++)
        tpi_statement(&pass, code->stmts[pass.statement]);
    tpi_end(&pass);
    return True;
}
