/* options.h - the shim's options: one table of name, environment name, type, default and help. */
#ifndef TP_OPTIONS_H
#define TP_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* X(field, environment name, type, default, help) */
#define TP_OPTIONS(X)                                                                                        \
    X(dir, "TIERPROF_DIR", TEXT, "", "raw folder; without it nothing is recorded")                           \
    X(plan, "TIERPROF_PLAN", TEXT, "", "binary plan; without it nothing is placed")                          \
    X(threshold_bytes, "TIERPROF_THRESHOLD", BYTES, 4096,                                                    \
      "allocations of at least this are tracked one by one")                                                 \
    X(small_period_bytes, "TIERPROF_SMALL_PERIOD", BYTES, 128 * 1024,                                        \
      "mean bytes between sampled smaller allocations; 0: none")                                             \
    X(small_site_bytes, "TIERPROF_SMALL_SITE", BYTES, 512 * 1024,                                            \
      "live bytes of small allocations from which a site gets memory of its own while recording; 0: never")  \
    X(max_bytes, "TIERPROF_MAX_BYTES", BYTES, 4ull << 30, "limit of one process's record file")              \
    X(python, "TIERPROF_PYTHON", BYTES, 1, "0: call stacks are native throughout, without Python's frames")  \
    X(engine, "TIERPROF_ENGINE", BYTES, 0, "1: the exact engine runs the process, and is told of allocations")

typedef char tpi_type_TEXT[PATH_MAX];
typedef uint64_t tpi_type_BYTES;

struct tp_options {
#define TPI_FIELD(field, environment, type, fallback, help) tpi_type_##type field;
    TP_OPTIONS(TPI_FIELD)
#undef TPI_FIELD
};

extern struct tp_options tp_options;

/* Reads the environment. Returns NULL, or the environment name of an option whose value makes no sense (its
 * default is used then). */
const char *tp_options_read(void);

#endif
