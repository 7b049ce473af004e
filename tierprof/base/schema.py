"""The trace's tables, column by column. Any reader of Parquet can open them; this is what they will find."""

import pyarrow as pa

FORMAT_VERSION = 1

SITES = pa.schema(
    [
        ("site", pa.int32()),  # row number; other tables refer to it
        ("key", pa.string()),  # 32 hex digits: hash over the frames' (build-id, offset); the same in every run
        ("kind", pa.string()),  # malloc | mmap | small
        ("name", pa.string()),  # what people call it: `GB_new <- pagerank.c:42 main`
        ("function", pa.string()),  # innermost frame that is no allocator
        ("file", pa.string()),
        ("line", pa.int32()),
        ("frames", pa.list_(pa.string())),  # innermost first: `libfoo.so+0x1234 function file:line`
        ("truncated", pa.bool_()),
    ]
)

ALLOCATIONS = pa.schema(
    [
        ("allocation", pa.int64()),  # row number
        ("site", pa.int32()),
        ("pid", pa.int32()),
        ("tid", pa.int32()),
        ("address", pa.uint64()),
        ("size_bytes", pa.uint64()),
        ("birth_ns", pa.int64()),  # since the start of the run
        ("death_ns", pa.int64()),  # null: alive at the end
        ("kind", pa.string()),  # malloc | mmap | file | small
        ("weight", pa.float64()),  # allocations that this row stands for; 1 but for small
        ("resident_bytes", pa.float64()),  # in memory when it ended, exactly; null where nobody asked (see native/shim/resident.h)
        ("tier", pa.string()),
        ("inherited", pa.bool_()),  # a forked child's view of its parent's allocation; not counted again
    ]
)

SAMPLES = pa.schema(
    [
        ("time_ns", pa.int64()),  # since the start of the run
        ("pid", pa.int32()),
        ("tid", pa.int32()),
        ("event", pa.string()),  # clock | fault | load | store
        ("ip", pa.uint64()),
        ("module", pa.int32()),  # row of modules; -1: none
        ("offset", pa.uint64()),  # ip minus the module's bias
        ("address", pa.uint64()),  # 0: none
        ("access", pa.string()),  # none | load | store | update
        ("confidence", pa.string()),  # none | chase | base | exact
        ("where", pa.string()),  # object | stack | static | runtime | compute | unknown
        ("site", pa.int32()),  # -1: none
        ("allocation", pa.int64()),  # -1: none
        ("latency_cycles", pa.int32()),  # 0: the source has none
        ("weight_s", pa.float64()),  # seconds of the run (clock) or accesses (fault, load, store) that it stands for
    ]
)

MODULES = pa.schema(
    [
        ("module", pa.int32()),  # row number; one row a mapping of code
        ("pid", pa.int32()),
        ("time_ns", pa.int64()),
        ("start", pa.uint64()),
        ("end", pa.uint64()),
        ("bias", pa.uint64()),
        ("path", pa.string()),
        ("build_id", pa.string()),
    ]
)

RECIPES = pa.schema(
    [
        ("path", pa.string()),
        ("build_id", pa.string()),
        ("offset", pa.uint64()),  # sampled instruction pointer minus bias
        ("base", pa.int8()),  # perf register number; -1 none; -2 the module's bias
        ("index", pa.int8()),
        ("shift", pa.uint8()),
        ("displacement", pa.int64()),
        ("access", pa.uint8()),  # 0 none, 1 load, 2 store, 3 update
        ("confidence", pa.uint8()),  # 0 none, 1 chase, 2 base, 3 exact
        ("hint", pa.string()),  # stack | runtime | static | branch | "" : what the instruction alone tells
    ]
)

CRITICALITY = pa.schema(
    [
        ("key", pa.string()),  # site key; "" for the rows none and all
        ("what", pa.string()),  # object | none | all
        ("fast", pa.string()),
        ("slow", pa.string()),
        ("source", pa.string()),  # which truth: `intervention emulated:2.5`
        ("repeats", pa.int32()),
        ("wall_s", pa.float64()),  # median; for objects: extra over none
        ("wall_low_s", pa.float64()),
        ("wall_high_s", pa.float64()),
        ("cpu_s", pa.float64()),
        ("cpu_low_s", pa.float64()),
        ("cpu_high_s", pa.float64()),
        ("met", pa.bool_()),  # False: the measured runs never allocated this object, so its cost says nothing
    ]
)

TABLES = {
    "sites": SITES,
    "allocations": ALLOCATIONS,
    "samples": SAMPLES,
    "modules": MODULES,
    "recipes": RECIPES,
    "criticality": CRITICALITY,
}
