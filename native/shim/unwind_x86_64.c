/* unwind_x86_64.c - steps by call frame information, through a cache of one rule for each return address. */
#if defined(__x86_64__)

#include "cfi.h"
#include "objects.h"
#include "unwind_step.h"

/* The cache is direct-mapped, and an entry one word, so that it is read and replaced without locks.
 * Multiplying by an odd number permutes the 47-bit addresses: the upper 16 bits of the product choose the
 * entry, and the lower 31 are kept in it, so a hit is exact. The other 33 bits are the rule; one that does
 * not fit is not kept. */
enum { TPI_PC_BITS = 47, TPI_INDEX_BITS = 16, TPI_TAG_BITS = 31, TPI_CFA_BITS = 17, TPI_FP_BITS = 13 };

static uint64_t tpi_cache[1u << TPI_INDEX_BITS];

struct tpi_slot {
    uint64_t *entry;
    uint64_t tag;
};

static struct tpi_slot tpi_slot_of(uintptr_t pc) {
    uint64_t product = (pc * 0x9e3779b97f4a7c15ull) & ((1ull << TPI_PC_BITS) - 1);
    return (struct tpi_slot){&tpi_cache[product >> TPI_TAG_BITS], product & ((1ull << TPI_TAG_BITS) - 1)};
}

/* Layout from the low end: tag 31, kind 3, cfa_offset / 8 signed 17, -fp_offset / 8 unsigned 13. */
static uint64_t tpi_pack(uint64_t tag, const struct tp_rule *rule) {
    int64_t cfa = rule->cfa_offset / 8, fp = -rule->fp_offset / 8;
    if (rule->cfa_offset % 8 != 0 || rule->fp_offset % 8 != 0) return 0;
    if (cfa < -(1 << (TPI_CFA_BITS - 1)) || cfa >= 1 << (TPI_CFA_BITS - 1)) return 0;
    if (fp < 0 || fp >= 1 << TPI_FP_BITS) return 0;
    uint64_t cfa_field = (uint64_t)cfa & ((1u << TPI_CFA_BITS) - 1);
    return tag | (uint64_t)rule->kind << 31 | cfa_field << 34 | (uint64_t)fp << 51;
}

static struct tp_rule tpi_unpack(uint64_t packed) {
    struct tp_rule rule;
    rule.kind = packed >> 31 & 7;
    rule.cfa_offset = (int64_t)(packed << 13) >> (64 - TPI_CFA_BITS) << 3;
    rule.fp_offset = -(int64_t)(packed >> 51) * 8;
    return rule;
}

static struct tp_rule tpi_rule_of(uintptr_t pc) {
    struct tpi_slot slot = tpi_slot_of(pc);
    uint64_t packed = __atomic_load_n(slot.entry, __ATOMIC_RELAXED);
    if (__builtin_expect((packed & ((1ull << TPI_TAG_BITS) - 1)) == slot.tag && packed >> TPI_TAG_BITS != 0,
                         1))
        return tpi_unpack(packed);
    struct tp_rule rule = {TP_RULE_UNKNOWN, 0, 0};
    struct tp_object object;
    if (tp_object_find(pc, &object) && object.eh_frame_hdr != NULL)
        rule = tp_cfi_rule(object.eh_frame_hdr, (const uint8_t *)object.end, pc);
    packed = tpi_pack(slot.tag, &rule);
    if (packed != 0) __atomic_store_n(slot.entry, packed, __ATOMIC_RELAXED);
    return rule;
}

enum tp_step tp_step_out(const struct tp_stack *stack, struct tp_frame *frame) {
    /* One before the return address: a call that never returns may be its function's last instruction. */
    struct tp_rule rule = tpi_rule_of(frame->pc - 1);
    uintptr_t cfa;
    frame->by_fp = rule.kind != TP_RULE_SP;
    frame->cfa_at = 0;
    switch (rule.kind) {
    case TP_RULE_END:
        return TP_STEP_END;
    case TP_RULE_SP:
        cfa = frame->sp + (uintptr_t)rule.cfa_offset;
        break;
    case TP_RULE_FP:
        cfa = frame->fp + (uintptr_t)rule.cfa_offset;
        break;
    case TP_RULE_FP_DEREF:
        frame->cfa_at = frame->fp + (uintptr_t)rule.cfa_offset;
        if (!tp_stack_word(stack, frame->cfa_at, &cfa)) return TP_STEP_DOUBT;
        break;
    default:
        return TP_STEP_DOUBT;
    }
    if (cfa <= frame->sp) return TP_STEP_DOUBT; /* stacks only shrink on the way out */
    if (rule.fp_offset != 0) {
        frame->fp_at = cfa + (uintptr_t)rule.fp_offset;
        if (!tp_stack_word(stack, frame->fp_at, &frame->fp)) return TP_STEP_DOUBT;
    }
    frame->pc_at = cfa - 8;
    if (!tp_stack_word(stack, frame->pc_at, &frame->pc)) return TP_STEP_DOUBT;
    frame->sp = cfa;
    return frame->pc != 0 ? TP_STEP_ON : TP_STEP_END;
}

void tp_step_forget(void) {
    for (unsigned i = 0; i < 1u << TPI_INDEX_BITS; i++)
        __atomic_store_n(&tpi_cache[i], 0, __ATOMIC_RELAXED);
}

#endif
