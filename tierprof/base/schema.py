"""The trace's tables, column by column. Any reader of Parquet can open them; this is what they will find."""

import pyarrow as pa

FORMAT_VERSION = 1

SITES = pa.schema(
    [
        ("site", pa.int32()),  # row number; other tables refer to it
        ("key", pa.string()),  # 32 hex digits: hash over the frames, Python's too (native/common/records.h); the same in every run
        ("kind", pa.string()),  # malloc | mmap | small | slab
        ("name", pa.string()),  # what people call it: `GB_new <- pagerank.c:42 main`
        ("function", pa.string()),  # innermost frame that is no allocator
        ("file", pa.string()),
        ("line", pa.int32()),
        ("frames", pa.list_(pa.string())),  # innermost first: `libfoo.so+0x1234 function file:line`
        ("python", pa.list_(pa.string())),  # the Python frames beyond those: `FILE:LINE QUALNAME`; empty where there are none
        ("truncated", pa.bool_()),
    ]
)

STACKS = pa.schema(
    [
        ("site", pa.int32()),
        ("depth", pa.int32()),  # 0: the innermost frame
        ("path", pa.string()),  # of the module; empty: code outside any; of a Python frame: co_filename
        ("build", pa.string()),  # its build-id; `size N` where it has none; of a Python frame: `python`
        ("offset", pa.uint64()),  # return address minus bias; of a Python frame: co_firstlineno
        ("function", pa.string()),  # linkage name; empty without symbols; of a Python frame: co_qualname
        ("place", pa.int64()),  # of the return address in the function; of a Python frame: line minus co_firstlineno
        ("function_bytes", pa.int64()),
        ("file", pa.string()),
        ("line", pa.int32()),
        ("source", pa.string()),  # of a Python frame: the text of the line
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
        ("kind", pa.string()),  # malloc | mmap | file | small | slab: memory that small objects of one site share
        ("weight", pa.float64()),  # allocations that this row stands for; 1 but for small, and 0 for the rest of one cut, moved or split
        ("resident_bytes", pa.float64()),  # in memory when it ended, exactly; null where nobody asked (see native/shim/where.h)
        ("tier", pa.string()),
        ("inherited", pa.bool_()),  # a forked child's view of its parent's allocation; not counted again
        ("name", pa.string()),  # of the tensor that it held: `model.user_embedding.weight`; null where nobody named it
    ]
)

# What torch modules and optimizers said of the memory that they own; only where there was any to name.

TENSORS = pa.schema(
    [
        ("time_ns", pa.int64()),  # when it was first seen there, since the start of the run
        ("pid", pa.int32()),
        ("address", pa.uint64()),
        ("bytes", pa.int64()),
        ("name", pa.string()),  # `model.user_embedding.weight`, `...weight.grad`, `...weight.exp_avg`
        ("role", pa.string()),  # parameter | buffer | gradient | optimizer
        ("module", pa.string()),  # class of the owning module; empty where none owns it
        ("shape", pa.list_(pa.int64())),  # of a gradient: when its first was seen
        ("dtype", pa.string()),
        ("allocation", pa.int64()),  # row of allocations; -1: none
    ]
)

# Of a run under a plan: what the kernel said of the pages of allocations, at their end or the process's.

PLACES = pa.schema(
    [
        ("allocation", pa.int64()),
        ("site", pa.int32()),
        ("time_ns", pa.int64()),  # when the kernel was asked, since the start of the run
        ("tier", pa.string()),  # in which the shim had these bytes then
        ("place", pa.string()),  # node 0, ... | file | file on node 0, ...: cached there | absent: never touched, or given back | unknown
        ("huge", pa.bool_()),  # in pages larger than 4 KiB
        ("bytes", pa.int64()),
        ("sampled", pa.bool_()),  # scaled up from some of the pages
    ]
)

# Of a run under a plan: what moved while it was alive. The allocation is the part that begins with the move.

MOVES = pa.schema(
    [
        ("allocation", pa.int64()),
        ("site", pa.int32()),
        ("time_ns", pa.int64()),  # since the start of the run
        ("address", pa.uint64()),
        ("bytes", pa.int64()),
        ("tier", pa.string()),  # where it went
        ("wait_us", pa.int64()),  # the longest that a writer may have waited for it
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

# How the samples (in an exact run: the accesses) of large allocations lie in them. Only blocks that were touched have rows.

HEAT = pa.schema(
    [
        ("allocation", pa.int64()),  # the first of those of one site and size that lie on top of each other, each made when one had died
        ("site", pa.int32()),
        ("block_bytes", pa.int64()),  # 4096 ... 2 MiB; one size an allocation
        ("block", pa.int64()),  # offset from the allocation's start / block_bytes
        ("samples", pa.float64()),  # with an exact address; in an exact run accesses
        ("stall_s", pa.float64()),  # of these samples alone; null in an exact run
        ("writes", pa.float64()),  # of these samples or accesses
        ("misses", pa.float64()),  # in an exact run, lines that loads and stores fetched from memory; else null
        ("allocations", pa.int64()),  # how many lie on top of each other
        ("located_share", pa.float64()),  # share of the allocation's samples that have an exact address; the others are in no block
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
        ("source", pa.string()),  # which truth: `intervention emulated:2.5`, `model optane100-x6`
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

# The tables of an exact run (source exact) alone. Counts are of what was measured; a slice's weight tells for how much it stands.

EXACT_THREADS = pa.schema(
    [
        ("slice", pa.int32()),  # a stretch of one process's run; dense over processes
        ("weight", pa.float64()),  # of the slice: how many instructions each of its instructions stands for
        ("pid", pa.int32()),
        ("tid", pa.int32()),
        ("thread", pa.int32()),  # dense over processes
        ("first_instruction", pa.int64()),  # of the slice, counted over all threads of the process
        ("instructions", pa.int64()),
        ("loads", pa.int64()),  # a read-modify-write counts as a load and as a store
        ("stores", pa.int64()),
        ("base_cycles", pa.int64()),  # with every access beyond L2 taken as an L2 hit
        ("branches", pa.int64()),
        ("mispredicts", pa.int64()),
        ("tlb1_misses", pa.int64()),
        ("walks", pa.int64()),
        ("fences", pa.int64()),
    ]
)

EXACT_OBJECTS = pa.schema(
    [
        ("slice", pa.int32()),
        ("thread", pa.int32()),
        ("object", pa.int32()),  # row of sites; -1 stack, -2 static, -3 small, -4 mapped, -5 unknown
        ("loads", pa.int64()),
        ("stores", pa.int64()),
        ("nt_stores", pa.int64()),
        ("load_bytes", pa.int64()),
        ("store_bytes", pa.int64()),
        ("l1_misses", pa.int64()),  # from here on lines, not accesses
        ("l2_misses", pa.int64()),
        ("l3_hits", pa.int64()),
        ("near_loads", pa.int64()),  # fetched by loads from memory: the tier's own buffer held the 256 B block
        ("mid_loads", pa.int64()),  # its translation buffer held the page
        ("far_loads", pa.int64()),  # neither
        ("rfo_lines", pa.int64()),  # fetched by stores
        ("prefetched_lines", pa.int64()),
        ("prefetched_used", pa.int64()),
        ("writeback_lines", pa.int64()),
        ("read_blocks", pa.int64()),  # 256 B blocks that the reads and writes touched
        ("write_blocks", pa.int64()),
        ("tlb1_misses", pa.int64()),
        ("walks", pa.int64()),
    ]
)

EXACT_EPISODES = pa.schema(
    [
        ("episode", pa.int32()),  # row number
        ("slice", pa.int32()),
        ("thread", pa.int32()),
        ("count", pa.int64()),  # episodes with these chains
        ("base_cycles", pa.int64()),  # of all of them, as the next two
        ("instructions", pa.int64()),
        ("misses", pa.int64()),
    ]
)

EXACT_NODES = pa.schema(
    [
        ("episode", pa.int32()),
        ("chain", pa.int8()),
        ("object", pa.int32()),  # as in exact_objects; 0 for class 0, which is no object's
        ("node_class", pa.int8()),  # 0 L3, 1 near, 2 mid, 3 far
        ("count", pa.int32()),
    ]
)

EXACT_REUSE = pa.schema(
    [
        ("object", pa.int32()),
        ("granule_bytes", pa.int32()),  # 64: lines; 4096: pages
        ("cold", pa.float64()),  # first uses; the same in every row of a histogram
        ("bin", pa.int8()),  # distances in [2^bin, 2^(bin+1)) granules
        ("weight", pa.float64()),
    ]
)

# Where in large allocations (config heat_bytes) the accesses fell; `heat` says the same in blocks.

EXACT_HEAT = pa.schema(
    [
        ("allocation", pa.int64()),  # as in heat
        ("site", pa.int32()),
        ("granule_bytes", pa.int64()),  # 64 and up; one size an allocation and process
        ("granule", pa.int64()),  # offset from the allocation's start / granule_bytes
        ("reads", pa.float64()),  # an update is a read and a write
        ("writes", pa.float64()),
        ("misses", pa.float64()),  # lines that they fetched from memory
    ]
)

# What a timing model says of each object (`tierprof predict`): run times, not differences. Also in CRITICALITY, as `model MACHINE`.

LABELS = pa.schema(
    [
        ("machine", pa.string()),  # whose model; a trace may hold labels of several
        ("object", pa.int32()),  # row of sites; below 0 as in exact_objects
        ("key", pa.string()),  # site key; "" where there is no site
        ("name", pa.string()),
        ("peak_bytes", pa.int64()),
        ("all_fast_s", pa.float64()),  # everything in the fast tier
        ("all_slow_s", pa.float64()),
        ("alone_slow_s", pa.float64()),  # this object alone in the slow tier
        ("alone_fast_s", pa.float64()),  # this object alone in the fast tier
    ]
)

INTERACTIONS = pa.schema(
    [
        ("machine", pa.string()),
        ("object", pa.int32()),  # of the run that was modelled; the keys are the same in every run
        ("other", pa.int32()),
        ("object_key", pa.string()),
        ("other_key", pa.string()),
        ("object_name", pa.string()),
        ("other_name", pa.string()),
        ("extra_s", pa.float64()),  # both in the slow tier: what that costs beyond the sum of each alone
    ]
)

TABLES = {
    "sites": SITES,
    "stacks": STACKS,
    "allocations": ALLOCATIONS,
    "tensors": TENSORS,
    "places": PLACES,
    "moves": MOVES,
    "samples": SAMPLES,
    "heat": HEAT,
    "modules": MODULES,
    "recipes": RECIPES,
    "criticality": CRITICALITY,
    "exact_threads": EXACT_THREADS,
    "exact_objects": EXACT_OBJECTS,
    "exact_episodes": EXACT_EPISODES,
    "exact_nodes": EXACT_NODES,
    "exact_reuse": EXACT_REUSE,
    "exact_heat": EXACT_HEAT,
    "labels": LABELS,
    "interactions": INTERACTIONS,
}
