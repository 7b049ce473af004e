/* planfile.h - the plan and the recipes as the shim reads them: mapped read-only, never parsed.
 *
 * TIERPROF_PLAN names the plan, TIERPROF_RECIPES the recipes. placer/ writes both. Magic and version
 * are checked; on any doubt the shim goes on without a plan and leaves a note.
 */
#ifndef TP_PLANFILE_H
#define TP_PLANFILE_H

#include <stdint.h>

#define TP_PLAN_MAGIC "TPPLAN\0"
#define TP_RECIPES_MAGIC "TPRECIP"
#define TP_PLAN_VERSION 4u
#define TP_PLAN_OLDEST_VERSION 2u /* is read, too: it has no parts, and until 4 there are no stems */
#define TP_RECIPES_VERSION 1u
#define TP_PLAN_WEIGHTS 16u
#define TP_STEM_FRAMES 4u
#define TP_TIER_NONE UINT32_MAX

enum tp_tier_kind {
    TP_TIER_SYSTEM = 0,     /* the program's own allocator: DRAM */
    TP_TIER_PMEM = 1,       /* file-backed, in `folder` */
    TP_TIER_NODE = 2,       /* NUMA node `number`, preferred, or bound if TP_TIER_BIND is set */
    TP_TIER_HUGE = 3,       /* 2 MiB pages by madvise */
    TP_TIER_EMULATED = 4,   /* DRAM, with delay injected where samples fall */
    TP_TIER_KMEM = 5,       /* memkind's DAX_KMEM family; `number` is an enum tp_kmem_policy */
    TP_TIER_INTERLEAVE = 6, /* pages over several nodes, in the proportion of `weights` */
    TP_TIER_HUGETLB = 7,    /* the kernel's reserved pool of pages of `number` bytes */
    TP_TIER_KINDS
};

enum tp_kmem_policy { TP_KMEM_NEAREST = 0, TP_KMEM_ALL = 1, TP_KMEM_PREFERRED = 2 };

enum tp_tier_flags { TP_TIER_BIND = 1 };

struct tp_plan_weight {
    uint16_t node, weight; /* weight 0: the end of the list */
};

/* 408 bytes */
struct tp_plan_tier {
    char name[32];
    uint32_t kind;
    uint32_t spill;          /* tier that takes over when this one is full, or TP_TIER_NONE: system */
    uint64_t capacity_bytes; /* UINT64_MAX: no limit */
    uint64_t number;         /* emulated: picoseconds of a random read without delay; 0: not known */
    double delay_ratio;      /* emulated: seconds of delay per sampled second of stall */
    double bytes_per_s;      /* emulated: what all threads together may move; 0: no cap */
    uint32_t flags;          /* enum tp_tier_flags */
    uint32_t pad;
    struct tp_plan_weight weights[TP_PLAN_WEIGHTS];
    char folder[264];
};

enum tp_plan_site_flags { TP_PLAN_SITE_SMALL = 1 }; /* its small objects are placed, too */

/* Sites sorted by (key_hi, key_lo). 24 bytes. */
struct tp_plan_site {
    uint64_t key_hi, key_lo;
    uint32_t tier, flags;
};

enum tp_move_when {
    TP_MOVE_AT_TIME = 0,       /* `at` nanoseconds after the process started */
    TP_MOVE_AT_ALLOCATION = 1, /* at the `at`-th allocation of the trigger site, the first being 1 */
};

/* From then on the site's allocations, those that are alive included, belong to `tier`. 48 bytes. */
struct tp_plan_move {
    uint64_t key_hi, key_lo;
    uint64_t trigger_hi, trigger_lo;
    uint64_t at;
    uint32_t when, tier;
};

/* [start, end) of each of the site's objects, offsets in bytes, multiples of 4096; `end` may be UINT64_MAX.
 * What no part covers has the site's own tier. Sorted by (key_hi, key_lo, start), not overlapping. 40 bytes.
 */
struct tp_plan_part {
    uint64_t key_hi, key_lo;
    uint64_t start, end;
    uint32_t tier, pad;
};

#define TP_PLAN_PARTS 65535u /* at most, of all sites */

/* How the stack of a site begins: prefixes[i] is a hash over its first i + 1 frames, innermost first, the
 * upper word that its key has while that is reckoned. It ends with the array, at a 0, or where code is in no
 * module. All 0: it is not known. 32 bytes. */
struct tp_stem {
    uint64_t prefixes[TP_STEM_FRAMES];
};

/* header, n_tiers x tp_plan_tier, n_sites x tp_plan_site, n_moves x tp_plan_move, n_parts x tp_plan_part,
 * n_sites x tp_stem. Tier 0 is always kind TP_TIER_SYSTEM. 40 bytes. */
struct tp_plan_header {
    char magic[8];
    uint32_t version, n_tiers;
    uint32_t n_sites, default_tier; /* of sites that the plan does not name */
    uint64_t emulation_period_ns;   /* 0: no emulated tier in the plan */
    uint32_t n_moves, n_parts;      /* version 2: 0 */
};

/* How the data address of the access that a sampled instruction waited for follows from the sampled
 * registers: base + (index << shift) + displacement. Register numbers are perf's (PERF_REG_X86_AX = 0
 * ...), -1: none, TP_REG_MODULE: the module's bias, so that base + displacement is static data. */
#define TP_REG_NONE (-1)
#define TP_REG_MODULE (-2)

/* Sorted by offset inside a module. 24 bytes. */
struct tp_recipe {
    uint64_t offset; /* sampled instruction pointer minus the module's bias */
    int64_t displacement;
    int8_t base, index;
    uint8_t shift;
    uint8_t access;     /* enum tp_access */
    uint8_t confidence; /* enum tp_confidence */
    uint8_t pad[3];
};

enum tp_access { TP_ACCESS_NONE = 0, TP_ACCESS_LOAD = 1, TP_ACCESS_STORE = 2, TP_ACCESS_UPDATE = 3 };

enum tp_confidence {
    TP_CONF_NONE = 0,  /* no address: arithmetic, branch */
    TP_CONF_CHASE = 1, /* the loaded pointer stands for the place it was loaded from */
    TP_CONF_BASE = 2,  /* base register only */
    TP_CONF_EXACT = 3,
};

/* A module without a build-id goes by FNV-1a of its file's name, and the file's size, 8 bytes each. 64 bytes.
 */
struct tp_recipe_module {
    uint8_t build_id[32];
    uint32_t build_id_bytes, n_recipes;
    uint64_t first_recipe; /* index in the recipe array */
    uint64_t pad[2];
};

/* header, n_modules x tp_recipe_module, n_recipes x tp_recipe. 32 bytes. */
struct tp_recipes_header {
    char magic[8];
    uint32_t version, n_modules;
    uint64_t n_recipes, reserved;
};

#endif
