/* records.h - what the shim writes, byte for byte.
 *
 * A traced process leaves three files in the raw folder (TIERPROF_DIR), SEQ being the first number
 * that makes the name new (a pid lives on through exec):
 *
 *   alloc.PID.SEQ.bin     chunks of fixed-size records, one writer thread a chunk; mapped shared, so
 *                         that what was written is readable even after SIGKILL
 *   meta.PID.SEQ.bin      length-prefixed records, written by write(2): process, modules, sites, notes
 *   counters.PID.SEQ.bin  one struct tp_counters, mapped shared, updated in place
 *
 * All integers are little-endian as the host writes them. Times are CLOCK_MONOTONIC nanoseconds, the
 * clock that the samples use. A chunk ends at its first record of type TP_END (files grow zeroed);
 * the type is stored last, with release order, so that a half-written record is never seen.
 */
#ifndef TP_RECORDS_H
#define TP_RECORDS_H

#include <stdint.h>

#define TP_FORMAT_VERSION 2u
#define TP_ALLOC_MAGIC "TPALLOC" /* eight bytes with the final NUL */
#define TP_META_MAGIC "TPMETA\0"
#define TP_COUNTERS_MAGIC "TPCOUNT"

#define TP_CHUNK_BYTES (64u * 1024u)
#define TP_MAX_FRAMES 48u
#define TP_MAX_TIERS 8u
#define TP_SITE_NONE UINT32_MAX
#define TP_MODULE_NONE UINT32_MAX

/* Opens every chunk of alloc.*.bin. Chunks start at multiples of TP_CHUNK_BYTES. 40 bytes. */
struct tp_chunk_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint32_t record_bytes;
    uint32_t chunk_bytes;
    uint32_t pid;
    uint32_t tid; /* of the first writer; each record carries its own */
    uint64_t start_ns;
};

enum tp_record_type {
    TP_END = 0,
    TP_ALLOC = 1, /* the malloc family handed out [address, address+size) */
    TP_FREE = 2,  /* the allocation at address ends; size 0; aux: its resident pages + 1, 0: not known */
    TP_MAP = 3,   /* mmap or mremap made [address, address+size); aux: its protection, 0 also if mremap */
    TP_UNMAP = 4, /* [address, address+size) is gone; may cover parts of several maps */
    TP_SMALL =
        5, /* a sampled small allocation; aux: bytes it stands for / size, at least 1; ends with a TP_FREE */
    TP_RESIDENT = 6, /* of the allocation at address, alive at the process's orderly end; aux as of TP_FREE */
    TP_MOVE = 7,  /* [address, address+size), part or all of an allocation, is in `tier` from now on; aux: the
                     longest that a writer of it may have waited, in microseconds */
    TP_WHERE = 8, /* of the allocation at address, or its part in `tier` that begins there, `size` bytes were
                     found at the place `aux`; at its end with the time of the end */
    TP_SLAB = 9,  /* [address, address+size) holds small objects of `site`; ends with a TP_FREE */
    TP_SLAB_TOTAL = 10, /* at the orderly end: from slabs of `site`, `address` allocations of `size` bytes in
                           all, as they were asked for */
};

/* The `aux` of a TP_WHERE: the number of a NUMA node, or one of these. */
enum tp_where {
    TP_WHERE_FILE = 0x10000,   /* pages of a file-backed tier that belong to no node */
    TP_WHERE_CACHED = 0x40000, /* added to a node's number: pages of such a tier's file that are in that
                                  node's memory, as on tmpfs and in the page cache */
    TP_WHERE_ABSENT = 0x20000, /* never touched, or given back */
    TP_WHERE_UNKNOWN = 0x30000,
    TP_WHERE_HUGE = 0x1000000, /* added to a node's number: in pages larger than 4 KiB */
};

enum tp_record_flags {
    TP_FLAG_FILE = 1,    /* TP_MAP of a file, not anonymous */
    TP_FLAG_SPILL = 2,   /* the tier asked for was full or failed; `tier` is where it went */
    TP_FLAG_SAMPLED = 4, /* TP_WHERE: scaled up from some of its pages */
    TP_FLAG_BORN = 8,    /* TP_MOVE: it was born there, beside the rest of its allocation, at the same time */
};

/* time_ns of a TP_FREE is taken before the memory is given back and that of a TP_ALLOC after it was
 * handed out, so an address that another thread gets again is always born after it died. 40 bytes. */
struct tp_record {
    uint64_t time_ns;
    uint64_t address;
    uint64_t size;
    uint32_t site; /* per-process number, defined by a TP_META_SITE; TP_SITE_NONE if unknown */
    uint32_t tid;
    uint8_t type; /* enum tp_record_type; stored last */
    uint8_t tier; /* index in the plan's tiers, 0 without a plan */
    uint16_t flags;
    uint32_t aux;
};

/* meta.*.bin: magic[8], uint32 version, uint32 pid, then records: this header and `bytes` of payload. */
enum tp_meta_type {
    TP_META_PROCESS = 1, /* tp_meta_process, then exe path NUL, then /proc/self/cmdline as it is */
    TP_META_MODULE = 2,  /* tp_meta_module, build-id bytes, path NUL */
    TP_META_SITE = 3,    /* tp_meta_site, then n_frames x tp_meta_frame, innermost first */
    TP_META_NOTE = 4,    /* tp_meta_note, text NUL: the shim stepped aside, and why */
    TP_META_EXIT = 5,    /* tp_meta_exit: the process ended in order */
    TP_META_CODE = 6,    /* tp_meta_code, then co_filename NUL, co_qualname: a function of a Python program */
    TP_META_PYTHON =
        7, /* tp_meta_python, then n_frames x tp_meta_line: Python frames of the site before it */
};

struct tp_meta_header {
    uint32_t type;
    uint32_t bytes;
};

struct tp_meta_process {
    uint64_t start_ns;
    uint32_t pid;
    uint32_t parent_pid;
    uint64_t forked; /* 1: came from fork of a traced process, and shares its live allocations */
    uint64_t threshold_bytes;
    uint64_t small_period_bytes;
};

struct tp_meta_module {
    uint32_t module; /* per-process number */
    uint32_t build_id_bytes;
    uint64_t bias; /* link_map l_addr: address = bias + offset */
    uint64_t start, end;
    uint64_t time_ns;
};

/* key: 128-bit hash over the frames' (build-id, offset), and over the Python frames' (last two components of
 * co_filename, co_qualname, line minus first line, first line); the same in every run of the same binaries.
 */
struct tp_meta_site {
    uint32_t site;
    uint32_t n_frames;
    uint64_t key_hi, key_lo;
    uint32_t tier;  /* what the plan said */
    uint32_t flags; /* 1: stack cut short; 2: named by the plan; 4: a pool of small objects, cut at its
                       allocator; from bit 8 on: which one (enum tp_allocator) */
};

/* An allocator that is linked into the program. */
enum tp_allocator {
    TP_ALLOCATOR_NONE = 0,
    TP_ALLOCATOR_OTHER = 1,
    TP_ALLOCATOR_JEMALLOC = 2,
    TP_ALLOCATOR_MIMALLOC = 3,
    TP_ALLOCATOR_TCMALLOC = 4,
};

struct tp_meta_frame {
    uint32_t module; /* TP_MODULE_NONE: code outside any module; offset is 0 then */
    uint32_t pad;
    uint64_t offset; /* return address minus bias */
};

/* Code objects of the same names and first line are one. */
struct tp_meta_code {
    uint32_t code; /* per-process number */
    uint32_t first_line;
};

struct tp_meta_python {
    uint32_t site;
    uint32_t n_frames;
};

/* The site's native frames end at the interpreter's evaluation loop; these are beyond it, innermost first. */
struct tp_meta_line {
    uint32_t code, line;
};

enum tp_note_code {
    TP_NOTE_DISK_FULL = 1,
    TP_NOTE_LIMIT_REACHED = 2, /* the trace reached its size limit */
    TP_NOTE_TIER_FAILED = 3,   /* a tier could not be opened or used */
    TP_NOTE_PLAN_BAD = 4,
    TP_NOTE_NO_EMULATION = 5,
    TP_NOTE_FOREIGN_MALLOC = 6, /* malloc is not the C library's */
    TP_NOTE_MOVE_FAILED = 7,
    TP_NOTE_MOVE_UNSAFE = 8, /* system calls that write into what is being moved may fail meanwhile */
    TP_NOTE_PARTS_MOVED = 9, /* a boundary between two parts of an object is at a larger page's */
    TP_NOTE_NO_PYTHON = 10,  /* an interpreter whose frames cannot be read */
    TP_NOTE_OTHER = 99,
};

struct tp_meta_note {
    uint32_t code;
    uint32_t value;
    uint64_t time_ns;
};

struct tp_meta_exit {
    uint64_t time_ns;
};

struct tp_tier_counters {
    uint64_t allocations; /* and parts of them: ranges that are in this tier by the plan */
    uint64_t live_bytes, peak_bytes, total_bytes;
    uint64_t spilled_allocations, spilled_bytes; /* wanted here, went to the next tier */
};

struct tp_counters {
    char magic[8];
    uint32_t version, pid;
    uint64_t tracked_allocations, tracked_frees, small_samples, small_bytes;
    uint64_t unknown_site_allocations; /* made at sites that the plan does not name */
    uint64_t shim_ns;                  /* time in the slow path, estimated */
    uint64_t dropped_records;
    uint64_t unwind_truncated;
    struct tp_tier_counters tiers[TP_MAX_TIERS];
    /* emulated tier */
    uint64_t emul_signals, emul_delayed, emul_unknown_instruction, emul_elsewhere;
    uint64_t emul_delay_ns, emul_useful_ns;
    uint64_t emul_bytes, emul_throttle_ns; /* estimated traffic, and what a bandwidth cap added */
    /* moves of live objects */
    uint64_t moves, moved_bytes, failed_moves, failed_move_bytes;
    uint64_t frozen_ns, frozen_worst_ns; /* writers kept waiting: in all, and by the worst chunk */
    /* call paths by context key, and small objects with memory of their own */
    uint64_t context_keys, context_misses, context_mismatches;
    uint64_t small_sites, small_site_allocations, small_site_bytes;
};

#endif
