/* cfi.c - the interpreter of call frame information (DWARF 5 section 6.4, LSB "Exception Frames"). */
#include "cfi.h"

#if defined(__x86_64__)

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { TPI_REG_FP = 6, TPI_REG_SP = 7, TPI_REG_RA = 16, TPI_STATE_DEPTH = 8 };

enum { TPI_PE_OMIT = 0xff, TPI_PE_PCREL_SDATA4 = 0x1b, TPI_PE_DATAREL_SDATA4 = 0x3b, TPI_PE_UDATA4 = 0x03 };

enum {
    DW_CFA_advance_loc = 0x40, /* these three carry an operand in the low six bits */
    DW_CFA_offset = 0x80,
    DW_CFA_restore = 0xc0,
    DW_CFA_nop = 0x00,
    DW_CFA_set_loc = 0x01,
    DW_CFA_advance_loc1 = 0x02,
    DW_CFA_advance_loc2 = 0x03,
    DW_CFA_advance_loc4 = 0x04,
    DW_CFA_offset_extended = 0x05,
    DW_CFA_restore_extended = 0x06,
    DW_CFA_undefined = 0x07,
    DW_CFA_same_value = 0x08,
    DW_CFA_register = 0x09,
    DW_CFA_remember_state = 0x0a,
    DW_CFA_restore_state = 0x0b,
    DW_CFA_def_cfa = 0x0c,
    DW_CFA_def_cfa_register = 0x0d,
    DW_CFA_def_cfa_offset = 0x0e,
    DW_CFA_def_cfa_expression = 0x0f,
    DW_CFA_expression = 0x10,
    DW_CFA_offset_extended_sf = 0x11,
    DW_CFA_def_cfa_sf = 0x12,
    DW_CFA_def_cfa_offset_sf = 0x13,
    DW_CFA_val_offset = 0x14,
    DW_CFA_val_offset_sf = 0x15,
    DW_CFA_val_expression = 0x16,
    DW_CFA_GNU_args_size = 0x2e,
    DW_OP_deref = 0x06,
    DW_OP_breg0 = 0x70,
};

/* A cursor that never leaves [at, end): reading past it sets `failed` and yields zeros. */
struct tpi_cursor {
    const uint8_t *at, *end;
    bool failed;
};

static uint64_t tpi_unsigned(struct tpi_cursor *cursor, size_t bytes) {
    uint64_t value = 0;
    if ((size_t)(cursor->end - cursor->at) < bytes) {
        cursor->failed = true;
        cursor->at = cursor->end;
        return 0;
    }
    memcpy(&value, cursor->at, bytes);
    cursor->at += bytes;
    return value;
}

static uint64_t tpi_uleb(struct tpi_cursor *cursor) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = tpi_unsigned(cursor, 1);
        value |= (byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return value;
    }
    cursor->failed = true;
    return 0;
}

static int64_t tpi_sleb(struct tpi_cursor *cursor) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64;) {
        uint64_t byte = tpi_unsigned(cursor, 1);
        value |= (byte & 0x7f) << shift;
        shift += 7;
        if ((byte & 0x80) != 0) continue;
        if ((byte & 0x40) != 0 && shift < 64) value |= ~(uint64_t)0 << shift;
        return (int64_t)value;
    }
    cursor->failed = true;
    return 0;
}

static void tpi_skip(struct tpi_cursor *cursor, uint64_t bytes) {
    if (bytes > (uint64_t)(cursor->end - cursor->at)) {
        cursor->failed = true;
        bytes = (uint64_t)(cursor->end - cursor->at);
    }
    cursor->at += bytes;
}

/* How one register of the caller is found. */
struct tpi_saved {
    enum { TPI_SAME, TPI_AT_CFA, TPI_UNDEFINED, TPI_OTHERWISE } how;
    int64_t offset;
};

struct tpi_row {
    uint64_t cfa_register;
    int64_t cfa_offset;
    bool cfa_deref, cfa_unknown;
    struct tpi_saved fp, ra, others; /* others: written, never read */
};

struct tpi_cie {
    struct tpi_cursor instructions;
    uint64_t code_align;
    int64_t data_align;
    bool augmented, signal_frame;
};

static struct tpi_saved *tpi_saved_of(struct tpi_row *row, uint64_t reg) {
    return reg == TPI_REG_FP ? &row->fp : reg == TPI_REG_RA ? &row->ra : &row->others;
}

static void tpi_save(struct tpi_row *row, uint64_t reg, int how, int64_t offset) {
    struct tpi_saved *saved = tpi_saved_of(row, reg);
    saved->how = how;
    saved->offset = offset;
}

static void tpi_restore(struct tpi_row *row, uint64_t reg, const struct tpi_row *initial) {
    *tpi_saved_of(row, reg) = reg == TPI_REG_FP ? initial->fp : initial->ra;
}

/* `breg REG, OFFSET; deref` is what compilers write for a realigned stack; other expressions are doubt. */
static void tpi_cfa_expression(struct tpi_cursor *cursor, struct tpi_row *row) {
    uint64_t bytes = tpi_uleb(cursor);
    struct tpi_cursor expression = {cursor->at, cursor->at, cursor->failed};
    tpi_skip(cursor, bytes);
    expression.end = cursor->at;
    uint64_t op = tpi_unsigned(&expression, 1);
    row->cfa_register = op - DW_OP_breg0;
    row->cfa_offset = tpi_sleb(&expression);
    row->cfa_deref = tpi_unsigned(&expression, 1) == DW_OP_deref;
    row->cfa_unknown = expression.failed || !row->cfa_deref || expression.at != expression.end;
}

/* The instructions that change where the frame address is. False: it is none of these. */
static bool tpi_define_cfa(struct tpi_cursor *cursor, unsigned op, const struct tpi_cie *cie,
                           struct tpi_row *row) {
    switch (op) {
    case DW_CFA_def_cfa:
        row->cfa_register = tpi_uleb(cursor);
        row->cfa_offset = (int64_t)tpi_uleb(cursor);
        break;
    case DW_CFA_def_cfa_sf:
        row->cfa_register = tpi_uleb(cursor);
        row->cfa_offset = tpi_sleb(cursor) * cie->data_align;
        break;
    case DW_CFA_def_cfa_register:
        row->cfa_register = tpi_uleb(cursor);
        return true;
    case DW_CFA_def_cfa_offset:
        row->cfa_offset = (int64_t)tpi_uleb(cursor);
        return true;
    case DW_CFA_def_cfa_offset_sf:
        row->cfa_offset = tpi_sleb(cursor) * cie->data_align;
        return true;
    case DW_CFA_def_cfa_expression:
        tpi_cfa_expression(cursor, row);
        return true;
    default:
        return false;
    }
    row->cfa_deref = row->cfa_unknown = false;
    return true;
}

/* The instructions that say where a register is. False: it is none of these. */
static bool tpi_define_register(struct tpi_cursor *cursor, unsigned op, const struct tpi_cie *cie,
                                struct tpi_row *row, const struct tpi_row *initial) {
    uint64_t reg;
    switch (op) {
    case DW_CFA_offset_extended:
        reg = tpi_uleb(cursor);
        tpi_save(row, reg, TPI_AT_CFA, (int64_t)tpi_uleb(cursor) * cie->data_align);
        return true;
    case DW_CFA_offset_extended_sf:
        reg = tpi_uleb(cursor);
        tpi_save(row, reg, TPI_AT_CFA, tpi_sleb(cursor) * cie->data_align);
        return true;
    case DW_CFA_restore_extended:
        tpi_restore(row, tpi_uleb(cursor), initial);
        return true;
    case DW_CFA_undefined:
        tpi_save(row, tpi_uleb(cursor), TPI_UNDEFINED, 0);
        return true;
    case DW_CFA_same_value:
        tpi_save(row, tpi_uleb(cursor), TPI_SAME, 0);
        return true;
    case DW_CFA_register:
    case DW_CFA_val_offset:
    case DW_CFA_val_offset_sf:
        tpi_save(row, tpi_uleb(cursor), TPI_OTHERWISE, 0);
        tpi_uleb(cursor);
        return true;
    case DW_CFA_expression:
    case DW_CFA_val_expression:
        tpi_save(row, tpi_uleb(cursor), TPI_OTHERWISE, 0);
        tpi_skip(cursor, tpi_uleb(cursor));
        return true;
    default:
        return false;
    }
}

static bool tpi_advance(struct tpi_cursor *cursor, unsigned op, uint64_t *delta) {
    switch (op) {
    case DW_CFA_advance_loc1:
        *delta = tpi_unsigned(cursor, 1);
        return true;
    case DW_CFA_advance_loc2:
        *delta = tpi_unsigned(cursor, 2);
        return true;
    case DW_CFA_advance_loc4:
        *delta = tpi_unsigned(cursor, 4);
        return true;
    default:
        return false;
    }
}

/* Executes until the row that holds for `offset` into the function is complete. False: not understood. */
static bool tpi_execute(struct tpi_cursor cursor, const struct tpi_cie *cie, const struct tpi_row *initial,
                        uint64_t offset, struct tpi_row *row) {
    struct tpi_row remembered[TPI_STATE_DEPTH];
    unsigned depth = 0;
    uint64_t location = 0, delta;
    while (cursor.at < cursor.end && !cursor.failed) {
        unsigned op = (unsigned)tpi_unsigned(&cursor, 1);
        unsigned low = op & 0x3f;
        if ((op & 0xc0) == DW_CFA_advance_loc || tpi_advance(&cursor, op, &delta)) {
            location += ((op & 0xc0) == DW_CFA_advance_loc ? low : delta) * cie->code_align;
            if (location > offset) return !cursor.failed;
        } else if ((op & 0xc0) == DW_CFA_offset) {
            tpi_save(row, low, TPI_AT_CFA, (int64_t)tpi_uleb(&cursor) * cie->data_align);
        } else if ((op & 0xc0) == DW_CFA_restore) {
            tpi_restore(row, low, initial);
        } else if (op == DW_CFA_remember_state) {
            if (depth == TPI_STATE_DEPTH) return false;
            remembered[depth++] = *row;
        } else if (op == DW_CFA_restore_state) {
            if (depth == 0) return false;
            *row = remembered[--depth];
        } else if (op == DW_CFA_GNU_args_size) {
            tpi_uleb(&cursor);
        } else if (op != DW_CFA_nop && !tpi_define_cfa(&cursor, op, cie, row) &&
                   !tpi_define_register(&cursor, op, cie, row, initial)) {
            return false;
        }
    }
    return !cursor.failed;
}

/* Augmentation "" or "z" with any of R (pc-relative, 4 bytes), L, P, S. Others are doubt. */
static bool tpi_read_augmentation(struct tpi_cursor *cursor, const char *letters, struct tpi_cie *cie) {
    static const unsigned char encoded_bytes[16] = {8, 0, 2, 4, 8, 0, 0, 0, 0, 0, 2, 4, 8};
    uint64_t bytes = tpi_uleb(cursor);
    const uint8_t *start = cursor->at;
    for (letters++; *letters != '\0'; letters++) {
        if (*letters == 'R') {
            if (tpi_unsigned(cursor, 1) != TPI_PE_PCREL_SDATA4) return false;
        } else if (*letters == 'L') {
            tpi_unsigned(cursor, 1);
        } else if (*letters == 'P') {
            unsigned size = encoded_bytes[tpi_unsigned(cursor, 1) & 0x0f];
            if (size == 0) return false;
            tpi_skip(cursor, size);
        } else if (*letters == 'S') {
            cie->signal_frame = true;
        } else {
            return false;
        }
    }
    cie->augmented = true;
    cursor->at = start;
    tpi_skip(cursor, bytes);
    return !cursor->failed;
}

static bool tpi_read_cie(const uint8_t *at, const uint8_t *end, struct tpi_cie *cie) {
    struct tpi_cursor cursor = {at, end, false};
    uint64_t length = tpi_unsigned(&cursor, 4);
    if (cursor.failed || length == 0 || length == UINT32_MAX || length > (uint64_t)(end - cursor.at))
        return false;
    cursor.end = cursor.at + length;
    if (tpi_unsigned(&cursor, 4) != 0) return false;
    uint64_t version = tpi_unsigned(&cursor, 1);
    if (version != 1 && version != 3) return false;
    const char *letters = (const char *)cursor.at;
    const uint8_t *closing = memchr(cursor.at, 0, (size_t)(cursor.end - cursor.at));
    if (closing == NULL || (letters[0] != '\0' && letters[0] != 'z')) return false;
    cursor.at = closing + 1;
    memset(cie, 0, sizeof *cie);
    cie->code_align = tpi_uleb(&cursor);
    cie->data_align = tpi_sleb(&cursor);
    uint64_t return_register = version == 1 ? tpi_unsigned(&cursor, 1) : tpi_uleb(&cursor);
    if (return_register != TPI_REG_RA) return false;
    /* Without R pointers are absolute, which position-independent code never has. */
    if (letters[0] != 'z' || !tpi_read_augmentation(&cursor, letters, cie)) return false;
    cie->instructions = cursor;
    return !cursor.failed;
}

/* The frame description whose function holds `pc`, by binary search in .eh_frame_hdr; NULL: none. */
static const uint8_t *tpi_find_fde(const uint8_t *header, const uint8_t *end, uintptr_t pc) {
    struct tpi_cursor cursor = {header, end, false};
    uint64_t version = tpi_unsigned(&cursor, 1), frame_encoding = tpi_unsigned(&cursor, 1);
    uint64_t count_encoding = tpi_unsigned(&cursor, 1), table_encoding = tpi_unsigned(&cursor, 1);
    if (version != 1 || frame_encoding != TPI_PE_PCREL_SDATA4 || count_encoding != TPI_PE_UDATA4 ||
        table_encoding != TPI_PE_DATAREL_SDATA4)
        return NULL;
    tpi_skip(&cursor, 4);
    uint64_t count = tpi_unsigned(&cursor, 4);
    if (cursor.failed || count == 0 || count > (uint64_t)(end - cursor.at) / 8) return NULL;
    const int32_t (*table)[2] = (const void *)cursor.at;
    int64_t wanted = (int64_t)(pc - (uintptr_t)header);
    if (wanted < table[0][0]) return NULL;
    uint64_t low = 0, high = count;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (table[middle][0] <= wanted)
            low = middle;
        else
            high = middle;
    }
    return header + table[low][1];
}

static struct tp_rule tpi_rule_of_row(const struct tpi_row *row) {
    struct tp_rule rule = {TP_RULE_UNKNOWN, 0, 0};
    if (row->ra.how == TPI_UNDEFINED) return (struct tp_rule){TP_RULE_END, 0, 0};
    if (row->cfa_unknown || row->ra.how != TPI_AT_CFA || row->ra.offset != -8) return rule;
    if (row->fp.how != TPI_SAME && (row->fp.how != TPI_AT_CFA || row->fp.offset >= 0)) return rule;
    if (row->cfa_register == TPI_REG_SP && !row->cfa_deref)
        rule.kind = TP_RULE_SP;
    else if (row->cfa_register == TPI_REG_FP)
        rule.kind = row->cfa_deref ? TP_RULE_FP_DEREF : TP_RULE_FP;
    rule.cfa_offset = row->cfa_offset;
    rule.fp_offset = row->fp.how == TPI_AT_CFA ? row->fp.offset : 0;
    return rule;
}

struct tp_rule tp_cfi_rule(const uint8_t *header, const uint8_t *end, uintptr_t pc) {
    const struct tp_rule unknown = {TP_RULE_UNKNOWN, 0, 0};
    const uint8_t *fde = tpi_find_fde(header, end, pc);
    if (fde == NULL || fde >= end) return unknown;
    struct tpi_cursor cursor = {fde, end, false};
    uint64_t length = tpi_unsigned(&cursor, 4);
    if (cursor.failed || length == 0 || length == UINT32_MAX || length > (uint64_t)(end - cursor.at))
        return unknown;
    cursor.end = cursor.at + length;
    const uint8_t *cie_pointer = cursor.at;
    const uint8_t *cie_at = cie_pointer - tpi_unsigned(&cursor, 4);
    struct tpi_cie cie;
    if (cie_at >= cie_pointer || !tpi_read_cie(cie_at, end, &cie) || cie.signal_frame) return unknown;
    uintptr_t begin = (uintptr_t)cursor.at + (uintptr_t)(int64_t)(int32_t)tpi_unsigned(&cursor, 4);
    uint64_t range = tpi_unsigned(&cursor, 4);
    if (pc < begin || pc - begin >= range) return unknown;
    if (cie.augmented) tpi_skip(&cursor, tpi_uleb(&cursor));
    if (cursor.failed) return unknown;

    struct tpi_row initial = {.cfa_unknown = true};
    if (!tpi_execute(cie.instructions, &cie, &initial, 0, &initial)) return unknown;
    struct tpi_row row = initial;
    if (!tpi_execute(cursor, &cie, &initial, pc - begin, &row)) return unknown;
    return tpi_rule_of_row(&row);
}

#endif
