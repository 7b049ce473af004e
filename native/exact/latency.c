/* latency.c - the table of latencies, by class.
 *
 * Cycles of the slowest common form on Intel's Skylake server core, from A. Fog, "Instruction tables" (2022),
 * whose figures for AMD's Zen 2 and 3 differ by at most a third in any class:
 *
 *   integer, logic, shift, vector integer, shuffle, move    1    ADD, SHL, LEA, PADDx, PSHUFx
 *   bit scan, 64-bit multiply                               3    BSF, LZCNT, IMUL
 *   floating-point add, multiply, fused, compare, convert   4    ADDPS, MULPD, VFMADD, MINPD, CVTx
 *   vector integer multiply                                 5    PMULLW, PMULUDQ
 *   floating-point divide and square root, single           11   DIVPS, SQRTPS
 *   floating-point divide and square root, double           14   DIVPD, SQRTPD
 *   integer divide                                          25   DIV r32; more for 64 bits with large
 * quotients x87's transcendentals                                   100  FSIN, FPATAN
 *
 * What only renames bits in VEX, between a register's views, takes none. An instruction is as slow as its
 * slowest operation: VEX spells one instruction in several operations that the hardware does at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "latency.h"

enum tpi_cycles {
    TPI_FREE = 0,
    TPI_SIMPLE = 1,
    TPI_SCAN = 3,
    TPI_FLOAT = 4,
    TPI_VECTOR_MULTIPLY = 5,
    TPI_DIVIDE_SINGLE = 11,
    TPI_DIVIDE_DOUBLE = 14,
    TPI_DIVIDE_INTEGER = 25,
    TPI_TRANSCENDENTAL = 100,
};

static bool tpi_renames(IROp operation) {
    switch (operation) {
    case Iop_8Uto16 ... Iop_32Sto64:
    case Iop_64to8 ... Iop_128HIto64:
    case Iop_64HLto128:
    case Iop_32to1:
    case Iop_64to1:
    case Iop_1Uto8 ... Iop_1Sto64:
    case Iop_ReinterpV128asI128 ... Iop_ReinterpI32asF32:
    case Iop_V128to64:
    case Iop_V128HIto64:
    case Iop_64HLtoV128:
    case Iop_64UtoV128:
    case Iop_SetV128lo64:
    case Iop_ZeroHI64ofV128 ... Iop_ZeroHI120ofV128:
    case Iop_32UtoV128:
    case Iop_V128to32:
    case Iop_SetV128lo32:
    case Iop_V256to64_0 ... Iop_V128HLtoV256:
        return true;
    default:
        return false;
    }
}

static unsigned tpi_integer(IROp operation) {
    switch (operation) {
    case Iop_Mul8 ... Iop_Mul64:
    case Iop_MullS8 ... Iop_MullU64:
    case Iop_Clz64 ... Iop_PopCount32:
        return TPI_SCAN;
    case Iop_DivU32 ... Iop_ModS128:
        return TPI_DIVIDE_INTEGER;
    case Iop_Mul8x8 ... Iop_Mul32x2:
    case Iop_MulHi16Ux4 ... Iop_MulHi16Sx4:
    case Iop_Mul8x16 ... Iop_Mull32Sx2:
    case Iop_Mul16x16 ... Iop_MulHi16Sx16:
        return TPI_VECTOR_MULTIPLY;
    default:
        return TPI_SIMPLE;
    }
}

static unsigned tpi_scalar_float(IROp operation) {
    switch (operation) {
    case Iop_DivF32:
    case Iop_SqrtF32:
        return TPI_DIVIDE_SINGLE;
    case Iop_DivF64:
    case Iop_DivF64r32:
    case Iop_SqrtF64:
        return TPI_DIVIDE_DOUBLE;
    case Iop_NegF64 ... Iop_AbsF16:
        return TPI_SIMPLE;
    case Iop_AtanF64 ... Iop_2xm1F64:
        return TPI_TRANSCENDENTAL;
    default:
        return TPI_FLOAT;
    }
}

static unsigned tpi_vector_float(IROp operation) {
    switch (operation) {
    case Iop_Div32Fx4:
    case Iop_Div32F0x4:
    case Iop_Div32Fx8:
    case Iop_Sqrt32Fx4:
    case Iop_Sqrt32F0x4:
    case Iop_Sqrt32Fx8:
        return TPI_DIVIDE_SINGLE;
    case Iop_Div64Fx2:
    case Iop_Div64F0x2:
    case Iop_Div64Fx4:
    case Iop_Sqrt64Fx2:
    case Iop_Sqrt64F0x2:
    case Iop_Sqrt64Fx4:
        return TPI_DIVIDE_DOUBLE;
    default:
        return TPI_FLOAT;
    }
}

unsigned tp_latency(IROp operation) {
    if (tpi_renames(operation)) return TPI_FREE;
    switch (operation) {
    case Iop_AddF64 ... Iop_F64toF32:
    case Iop_AtanF64 ... Iop_F32toF16:
        return tpi_scalar_float(operation);
    case Iop_Add32Fx4 ... Iop_Sqrt64F0x2:
    case Iop_Add64Fx4 ... Iop_Min64Fx4:
        return tpi_vector_float(operation);
    default:
        return tpi_integer(operation);
    }
}

static bool tpi_starts_with(const HChar *text, const HChar *start) {
    return VG_(strncmp)(text, start, VG_(strlen)(start)) == 0;
}

unsigned tp_helper_latency(const IRCallee *helper) {
    bool flags = tpi_starts_with(helper->name, "amd64g_calculate_condition") ||
                 tpi_starts_with(helper->name, "amd64g_calculate_rflags");
    return flags ? TPI_SIMPLE : TPI_VECTOR_MULTIPLY;
}
