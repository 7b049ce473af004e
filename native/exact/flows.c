/* flows.c - one pass over the statements, carrying a set of flows for every temporary and every slot of a
 * register.
 *
 * What an instruction computes takes as long as its slowest operation: so a temporary carries the flows up to
 * its instruction's start, and the cycles of that instruction beside them, which count for whoever uses it
 * later. An address that is computed in the instruction that uses it is free: the core's address units do
 * that, and the load's own latency has it. So is what push, pop, call and return do to the stack pointer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "flows.h"

#include "flowset.h"
#include "latency.h"
#include "scratch.h"
#include "slotsets.h"

struct tpi_value {
    struct tp_flowset set;
    UInt mark;     /* of its instruction */
    UShort cycles; /* in that */
    Bool stack;    /* the stack pointer, or a constant away from it */
};

struct tpi_pass {
    const struct tp_scan *scan;
    struct tp_flows *flows;
    struct tpi_value *values; /* by temporary */
    struct tp_slotsets slots;
    struct tp_flowset *address, *data; /* by access */
    struct tp_flowset detour; /* stored by an instruction whose memory is not real: what it loads is that */
    UInt mark, n_exits, capacity;
    Int statement;
};

static struct tp_scratch tpi_values, tpi_sets, tpi_spans, tpi_transfers;

/* `into` waits for `atom`. */
static void tpi_take(struct tpi_pass *pass, struct tpi_value *into, const IRExpr *atom) {
    if (atom == NULL || atom->tag != Iex_RdTmp) return;
    const struct tpi_value *value = &pass->values[atom->Iex.RdTmp.tmp];
    Bool now = value->mark == pass->mark;
    tp_flowset_join(&into->set, &value->set, now ? 0 : value->cycles);
    if (now && value->cycles > into->cycles) into->cycles = value->cycles;
}

static struct tpi_value tpi_new(const struct tpi_pass *pass) {
    return (struct tpi_value){.mark = pass->mark};
}

static void tpi_spend(const struct tpi_pass *pass, struct tpi_value *value, UInt cycles) {
    UInt least = pass->scan->marks[pass->mark].decoded.cycles;
    if (cycles == 0) return;
    if (cycles < least) cycles = least;
    if (cycles > value->cycles) value->cycles = (UShort)cycles;
}

/* Flows of `atom` as a value, and as an address. */
static void tpi_join_value(struct tpi_pass *pass, struct tp_flowset *set, const IRExpr *atom) {
    struct tpi_value value = tpi_new(pass);
    tpi_take(pass, &value, atom);
    tp_flowset_join(set, &value.set, value.cycles);
}

static void tpi_join_address(struct tpi_pass *pass, struct tp_flowset *set, const IRExpr *atom) {
    struct tpi_value value = tpi_new(pass);
    tpi_take(pass, &value, atom);
    tp_flowset_join(set, &value.set, 0);
}

/* ---- expressions ---- */

static UInt tpi_load_source(Int access) {
    return TPM_REGISTERS + ((UInt)access < TPM_LOADS ? (UInt)access : TPM_LOADS - 1);
}

/* What the statement loads. */
static void tpi_take_loaded(struct tpi_pass *pass, struct tpi_value *value) {
    Int access = pass->scan->load_at[pass->statement];
    if (access >= 0)
        tp_flowset_add(&value->set, tpi_load_source(access), 0);
    else
        tp_flowset_join(&value->set, &pass->detour, 0);
}

static Bool tpi_stack_step(const struct tpi_pass *pass, const IRExpr *step) {
    const IRExpr *left = step->Iex.Binop.arg1, *right = step->Iex.Binop.arg2;
    Bool adds = step->Iex.Binop.op == Iop_Add64 || step->Iex.Binop.op == Iop_Sub64;
    return adds && right->tag == Iex_Const && left->tag == Iex_RdTmp &&
           pass->values[left->Iex.RdTmp.tmp].stack;
}

static void tpi_operation(struct tpi_pass *pass, struct tpi_value *value, IROp operation,
                          IRExpr *const *arguments) {
    for (UInt i = 0; i < 4 && arguments[i] != NULL; i++)
        tpi_take(pass, value, arguments[i]);
    tpi_spend(pass, value, tp_latency(operation));
}

static void tpi_call(struct tpi_pass *pass, struct tpi_value *value, const IRExpr *call) {
    for (IRExpr **argument = call->Iex.CCall.args; *argument != NULL; argument++)
        tpi_take(pass, value, *argument);
    tpi_spend(pass, value, tp_helper_latency(call->Iex.CCall.cee));
}

static void tpi_expression(struct tpi_pass *pass, struct tpi_value *value, const IRExpr *expression) {
    switch (expression->tag) {
    case Iex_Get:
        tp_slotsets_read(&pass->slots, &value->set,
                         tp_slots_of(expression->Iex.Get.offset, sizeofIRType(expression->Iex.Get.ty)));
        value->stack = expression->Iex.Get.offset == (Int)offsetof(VexGuestAMD64State, guest_RSP);
        break;
    case Iex_GetI:
        tpi_take(pass, value, expression->Iex.GetI.ix);
        tp_slotsets_read(&pass->slots, &value->set, tp_slots_of(expression->Iex.GetI.descr->base, 1));
        break;
    case Iex_RdTmp:
        tpi_take(pass, value, expression);
        value->stack = pass->values[expression->Iex.RdTmp.tmp].stack;
        break;
    case Iex_Load:
        tpi_take_loaded(pass, value);
        break;
    case Iex_Unop:
        tpi_operation(pass, value, expression->Iex.Unop.op, (IRExpr *[4]){expression->Iex.Unop.arg});
        break;
    case Iex_Binop:
        value->stack = tpi_stack_step(pass, expression);
        if (value->stack)
            tpi_take(pass, value, expression->Iex.Binop.arg1);
        else
            tpi_operation(pass, value, expression->Iex.Binop.op,
                          (IRExpr *[4]){expression->Iex.Binop.arg1, expression->Iex.Binop.arg2});
        break;
    case Iex_Triop: {
        const IRTriop *triop = expression->Iex.Triop.details;
        tpi_operation(pass, value, triop->op, (IRExpr *[4]){triop->arg1, triop->arg2, triop->arg3});
        break;
    }
    case Iex_Qop: {
        const IRQop *qop = expression->Iex.Qop.details;
        tpi_operation(pass, value, qop->op, (IRExpr *[4]){qop->arg1, qop->arg2, qop->arg3, qop->arg4});
        break;
    }
    case Iex_ITE:
        tpi_operation(
            pass, value, Iop_And1,
            (IRExpr *[4]){expression->Iex.ITE.cond, expression->Iex.ITE.iftrue, expression->Iex.ITE.iffalse});
        break;
    case Iex_CCall:
        tpi_call(pass, value, expression);
        break;
    default: /* a constant */
        break;
    }
}

/* ---- statements ---- */

static void tpi_load(struct tpi_pass *pass, const IRExpr *address) {
    Int access = pass->scan->load_at[pass->statement];
    if (access >= 0) tpi_join_address(pass, &pass->address[access], address);
}

static void tpi_store(struct tpi_pass *pass, const IRExpr *address, const IRExpr *data) {
    Int access = pass->scan->store_at[pass->statement];
    if (access < 0) {
        tpi_join_value(pass, &pass->detour, data);
        return;
    }
    tpi_join_address(pass, &pass->address[access], address);
    tpi_join_value(pass, &pass->data[access], data);
}

static void tpi_assign(struct tpi_pass *pass, IRTemp temporary, const IRExpr *expression) {
    struct tpi_value *value = &pass->values[temporary];
    *value = tpi_new(pass);
    if (expression->tag == Iex_Load) tpi_load(pass, expression->Iex.Load.addr);
    tpi_expression(pass, value, expression);
}

static void tpi_put(struct tpi_pass *pass, struct tp_slots slots, const IRExpr *data) {
    struct tp_flowset set = {{0}};
    if (slots.count == 0) return;
    tpi_join_value(pass, &set, data);
    tp_slotsets_write(&pass->slots, slots, &set);
}

static void tpi_guarded_load(struct tpi_pass *pass, const IRLoadG *load) {
    struct tpi_value *value = &pass->values[load->dst];
    *value = tpi_new(pass);
    tpi_load(pass, load->addr);
    tpi_take_loaded(pass, value);
    tpi_take(pass, value, load->alt);
    tpi_take(pass, value, load->guard);
}

static void tpi_swap(struct tpi_pass *pass, const IRCAS *swap) {
    struct tpi_value loaded = tpi_new(pass);
    tpi_take_loaded(pass, &loaded);
    pass->values[swap->oldLo] = loaded;
    if (swap->oldHi != IRTemp_INVALID) pass->values[swap->oldHi] = loaded;
    tpi_store(pass, swap->addr, swap->dataLo);
    if (swap->dataHi != NULL) tpi_store(pass, swap->addr, swap->dataHi);
}

static void tpi_helper_state(struct tpi_pass *pass, const IRDirty *helper, struct tpi_value *value) {
    for (Int i = 0; i < helper->nFxState; i++)
        if (helper->fxState[i].fx != Ifx_Write)
            tp_slotsets_read(&pass->slots, &value->set,
                             tp_slots_of(helper->fxState[i].offset, helper->fxState[i].size));
    struct tp_flowset written = {{0}};
    tp_flowset_join(&written, &value->set, value->cycles);
    for (Int i = 0; i < helper->nFxState; i++) {
        struct tp_slots slots = tp_slots_of(helper->fxState[i].offset, helper->fxState[i].size);
        slots.whole = slots.whole && helper->fxState[i].fx == Ifx_Write;
        if (helper->fxState[i].fx != Ifx_Read) tp_slotsets_write(&pass->slots, slots, &written);
    }
}

static void tpi_helper(struct tpi_pass *pass, const IRDirty *helper) {
    struct tpi_value value = tpi_new(pass);
    for (IRExpr **argument = helper->args; *argument != NULL; argument++)
        tpi_take(pass, &value, *argument);
    if (helper->mFx != Ifx_None) {
        tpi_load(pass, helper->mAddr);
        if (pass->scan->load_at[pass->statement] >= 0) tpi_take_loaded(pass, &value);
    }
    tpi_spend(pass, &value, TP_HELPER_CYCLES);
    tpi_helper_state(pass, helper, &value);
    Int store = pass->scan->store_at[pass->statement];
    if (store >= 0) {
        tpi_join_address(pass, &pass->address[store], helper->mAddr);
        tp_flowset_join(&pass->data[store], &value.set, value.cycles);
    }
    if (helper->tmp != IRTemp_INVALID) pass->values[helper->tmp] = value;
}

/* ---- results ---- */

static struct tp_span tpi_keep(struct tp_flows *flows, const struct tp_flowset *set) {
    if (flows->n_flows + TP_SOURCES > flows->capacity) {
        flows->capacity = 2 * flows->capacity + TP_SOURCES;
        flows->flows = VG_(realloc)("tierprof.flows", flows->flows, flows->capacity * sizeof *flows->flows);
    }
    struct tp_span span = {flows->n_flows, 0};
    for (UInt i = 0; i < TP_SOURCES; i++)
        if (set->ways[i] != 0)
            flows->flows[flows->n_flows++] = (struct tpm_flow){(uint8_t)i, (uint8_t)(set->ways[i] - 1)};
    span.count = flows->n_flows - span.first;
    return span;
}

static Bool tpi_unchanged(const struct tp_flows *flows, struct tp_span value, UInt reg) {
    const struct tpm_flow *flow = &flows->flows[value.first];
    return value.count == 1 && flow->source == reg && flow->cycles == 0;
}

static void tpi_leave(struct tpi_pass *pass, const IRExpr *condition) {
    struct tp_flows *flows = pass->flows;
    struct tp_flowset set = {{0}};
    tpi_join_value(pass, &set, condition);
    flows->condition[pass->n_exits] = tpi_keep(flows, &set);
    struct tp_span *span = &flows->exit_transfers[pass->n_exits++];
    span->first = flows->n_transfers;
    for (UInt reg = 0; reg < TP_REGISTER_COUNT; reg++) {
        if ((pass->slots.registers >> reg & 1) == 0) continue;
        struct tp_flowset value = {{0}};
        tp_slotsets_register(&pass->slots, reg, &value);
        struct tp_span kept = tpi_keep(flows, &value);
        if (!tpi_unchanged(flows, kept, reg))
            flows->transfers[flows->n_transfers++] = (struct tp_transfer){reg, kept};
    }
    span->count = flows->n_transfers - span->first;
}

/* An address that is not in VEX's code is made of registers. */
static void tpi_operand(struct tpi_pass *pass, UInt access, const struct tp_operand *operand) {
    struct tp_flowset *set = &pass->address[access];
    if (operand->base >= 0) tp_slotsets_read(&pass->slots, set, tp_slots_of_register((UInt)operand->base));
    if (operand->index >= 0) tp_slotsets_read(&pass->slots, set, tp_slots_of_register((UInt)operand->index));
}

static void tpi_begin_instruction(struct tpi_pass *pass) {
    pass->mark = pass->mark == UINT32_MAX ? 0 : pass->mark + 1;
    pass->detour = (struct tp_flowset){{0}};
}

static void tpi_statement(struct tpi_pass *pass, const IRStmt *statement) {
    switch (statement->tag) {
    case Ist_IMark:
        tpi_begin_instruction(pass);
        break;
    case Ist_WrTmp:
        tpi_assign(pass, statement->Ist.WrTmp.tmp, statement->Ist.WrTmp.data);
        break;
    case Ist_Put:
        tpi_put(pass,
                tp_slots_of(statement->Ist.Put.offset,
                            sizeofIRType(typeOfIRExpr(pass->scan->code->tyenv, statement->Ist.Put.data))),
                statement->Ist.Put.data);
        break;
    case Ist_PutI: {
        struct tp_slots slots = tp_slots_of(statement->Ist.PutI.details->descr->base, 1);
        tpi_put(pass, slots, statement->Ist.PutI.details->data);
        break;
    }
    case Ist_Store:
        tpi_store(pass, statement->Ist.Store.addr, statement->Ist.Store.data);
        break;
    case Ist_StoreG:
        tpi_store(pass, statement->Ist.StoreG.details->addr, statement->Ist.StoreG.details->data);
        break;
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
        if (pass->scan->exits[pass->n_exits].statement == pass->statement)
            tpi_leave(pass, statement->Ist.Exit.guard);
        break;
    default:
        break;
    }
}

static void tpi_begin(struct tpi_pass *pass) {
    const struct tp_scan *scan = pass->scan;
    struct tp_flows *flows = pass->flows;
    UInt n_spans = 2 * scan->n_accesses + 2 * scan->n_exits;
    pass->values = tp_scratch_get(&tpi_values, (SizeT)scan->code->tyenv->types_used * sizeof *pass->values);
    for (Int i = 0; i < scan->code->tyenv->types_used; i++)
        pass->values[i] = (struct tpi_value){.mark = 0};
    pass->address = tp_scratch_get(&tpi_sets, (2 * (SizeT)scan->n_accesses + 1) * sizeof *pass->address);
    VG_(memset)(pass->address, 0, 2 * scan->n_accesses * sizeof *pass->address);
    pass->data = pass->address + scan->n_accesses;
    flows->address = tp_scratch_get(&tpi_spans, n_spans * sizeof *flows->address);
    flows->data = flows->address + scan->n_accesses;
    flows->condition = flows->data + scan->n_accesses;
    flows->exit_transfers = flows->condition + scan->n_exits;
    flows->transfers =
        tp_scratch_get(&tpi_transfers, (SizeT)scan->n_exits * TP_REGISTER_COUNT * sizeof *flows->transfers);
    flows->n_flows = flows->n_transfers = 0;
    tp_slotsets_begin(&pass->slots);
}

void tp_flows_find(const struct tp_scan *scan, struct tp_flows *flows) {
    struct tpi_pass pass = {.scan = scan, .flows = flows, .mark = UINT32_MAX};
    tpi_begin(&pass);
    UInt next_access = 0;
    for (pass.statement = scan->first; pass.statement < scan->code->stmts_used; pass.statement++) {
        tpi_statement(&pass, scan->code->stmts[pass.statement]);
        for (; next_access < scan->n_accesses && scan->accesses[next_access].mark == pass.mark; next_access++)
            if (scan->accesses[next_access].address == NULL)
                tpi_operand(&pass, next_access, &scan->marks[pass.mark].decoded.operand);
    }
    tpi_leave(&pass, scan->code->next);
    for (UInt i = 0; i < scan->n_accesses; i++) {
        flows->address[i] = tpi_keep(flows, &pass.address[i]);
        flows->data[i] = tpi_keep(flows, &pass.data[i]);
    }
}
