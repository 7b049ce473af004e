/* skid.c - kernels whose memory accesses are known to the byte: a profile of them shows how far behind the
 * stalled instruction a sample lands on this machine.
 */
#include "probe.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>

enum tpi_kind { TPI_LOAD, TPI_OPERAND, TPI_STORE, TPI_UPDATE, TPI_LOCKED, TPI_KINDS };

static const char *const tpi_names[TPI_KINDS] = {"load", "operand", "store", "update", "locked"};

enum { TPI_BATCH = 4096 };
static const size_t tpi_bytes = (size_t)256 << 20;

#if defined(__x86_64__)

/* Each access leaves an entry here: its kind, and the distances from the entry's own fields to the
 * instruction and to the next one (distances need no relocation). */
struct tpi_entry {
    int64_t kind, to_access, to_next;
};
extern const struct tpi_entry __start_tpi_skid[], __stop_tpi_skid[];

#define TPI_ACCESS(kind, instruction)                                                                        \
    "1: " instruction "\n"                                                                                   \
    "2:\n"                                                                                                   \
    ".pushsection tpi_skid, \"a\"\n"                                                                         \
    ".quad " #kind ", 1b - ., 2b - .\n"                                                                      \
    ".popsection\n"

/* The value goes back into the generator's state: zero, but the processor must wait for it. */
#define TPI_KERNEL(name, kind, instruction)                                                                  \
    static __attribute__((noinline)) void name(uint64_t *array, size_t words, uint64_t *state) {             \
        uint64_t local = *state;                                                                             \
        for (int i = 0; i < TPI_BATCH; i++) {                                                                \
            uint64_t value = 0, at = tp_probe_below(tp_probe_random(&local), words);                         \
            __asm__ volatile(TPI_ACCESS(kind, instruction)                                                   \
                             : [value] "+r"(value)                                                           \
                             : [array] "r"(array), [at] "r"(at)                                              \
                             : "memory", "cc");                                                              \
            local += value;                                                                                  \
        }                                                                                                    \
        *state = local;                                                                                      \
    }

TPI_KERNEL(tpi_load, 0, "movq (%[array],%[at],8), %[value]")
TPI_KERNEL(tpi_operand, 1, "addq (%[array],%[at],8), %[value]")
TPI_KERNEL(tpi_store, 2, "movq %[value], (%[array],%[at],8)")
TPI_KERNEL(tpi_update, 3, "addq %[value], (%[array],%[at],8)")
TPI_KERNEL(tpi_locked, 4, "lock addq %[value], (%[array],%[at],8)")

static void (*const tpi_kernels[TPI_KINDS])(uint64_t *, size_t, uint64_t *) = {
    [TPI_LOAD] = tpi_load,     [TPI_OPERAND] = tpi_operand, [TPI_STORE] = tpi_store,
    [TPI_UPDATE] = tpi_update, [TPI_LOCKED] = tpi_locked,
};

static int tpi_first_object(struct dl_phdr_info *info, size_t size, void *bias) {
    *(uintptr_t *)bias = info->dlpi_addr; /* the program itself comes first */
    return 1;
}

static void tpi_print(void) {
    uintptr_t bias = 0;
    dl_iterate_phdr(tpi_first_object, &bias);
    const char *comma = "";
    fputs("{\"loads\": [", stdout);
    for (const struct tpi_entry *entry = __start_tpi_skid; entry < __stop_tpi_skid; entry++, comma = ", ")
        printf("%s{\"kind\": \"%s\", \"offset\": %lu, \"next_offset\": %lu}", comma, tpi_names[entry->kind],
               (uintptr_t)&entry->to_access + (uintptr_t)entry->to_access - bias,
               (uintptr_t)&entry->to_next + (uintptr_t)entry->to_next - bias);
    puts("]}");
}

int tp_probe_skid(const struct tp_probe_options *options) {
    uint64_t *array = tp_probe_touch(malloc(tpi_bytes), tpi_bytes), state = 88172645463325252ull;
    if (array == NULL) {
        fputs("tierprof-probe: no memory\n", stderr);
        return 1;
    }
    for (int kind = 0; kind < TPI_KINDS; kind++) {
        uint64_t until_ns =
            tp_probe_clock_ns(CLOCK_MONOTONIC) + (uint64_t)(options->seconds * 1e9 / TPI_KINDS);
        while (tp_probe_clock_ns(CLOCK_MONOTONIC) < until_ns)
            tpi_kernels[kind](array, tpi_bytes / sizeof *array, &state);
    }
    tpi_print();
    free(array);
    return 0;
}

#else

int tp_probe_skid(const struct tp_probe_options *options) {
    puts("{\"loads\": []}"); /* no kernels for this processor */
    return 0;
}

#endif
