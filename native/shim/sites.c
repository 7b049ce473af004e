/* sites.c - two hash tables: from a stack of addresses to a site, read without locks; and from a key to a
 * site, under the lock. Both only grow; a table that was outgrown stays mapped, because a reader may be in
 * it. A program that makes code anew, as exec does in Python, makes new stacks of old keys without end: when
 * there are very many, they are looked at anew. */
#include "sites.h"

#include <string.h>

#include "../common/rawio.h"
#include "../place/place.h"
#include "allocators.h"
#include "context.h"
#include "meta.h"
#include "modules.h"
#include "pools.h"
#include "python_code.h"
#include "slabs.h"
#include "stems.h"

enum {
    TPI_FIRST_CAPACITY = 4096,
    TPI_MAX_STACKS = 1 << 20,
    TPI_SITE_TRUNCATED = 1,
    TPI_SITE_NAMED = 2,
    TPI_SITE_POOL = 4,
    TPI_SITE_ALLOCATOR_SHIFT = 8
};

struct tpi_stack_entry {
    uint64_t hash; /* of the return addresses; stored last; 0: free */
    struct tp_site site;
};

struct tpi_stack_table {
    uint64_t mask;
    uint64_t count;
    struct tpi_stack_entry entries[];
};

struct tpi_key_entry {
    struct tp_hash128 key; /* 0, 0: free */
    struct tp_site site;
    struct tp_stem stem;
};

static tp_lock tpi_lock = TP_LOCK_INIT;
static struct tpi_stack_table *tpi_stacks;
static struct tpi_key_entry *tpi_keys;
static size_t tpi_key_capacity;
static uint32_t tpi_count;       /* of keys */
static uint32_t tpi_next_number; /* a forked child goes on counting: the exact engine there knows its parent's
                                    numbers, too */

static uint64_t tpi_hash_stack(const struct tp_backtrace *backtrace) {
    uint64_t hash = backtrace->n_frames + (backtrace->truncated ? TP_MAX_FRAMES + 1 : 0);
    for (unsigned i = 0; i < backtrace->n_frames; i++)
        hash = tp_hash_word(hash, backtrace->frames[i]);
    if (backtrace->python.key.all != 0) hash = tp_hash_word(hash, backtrace->python.key.all);
    return hash | 1;
}

static struct tpi_stack_entry *tpi_lookup(struct tpi_stack_table *table, uint64_t hash) {
    if (table == NULL) return NULL;
    for (uint64_t at = hash >> 1;; at++) {
        struct tpi_stack_entry *entry = &table->entries[at & table->mask];
        uint64_t found = __atomic_load_n(&entry->hash, __ATOMIC_ACQUIRE);
        if (found == hash) return entry;
        if (found == 0) return NULL;
    }
}

static void tpi_put(struct tpi_stack_table *table, uint64_t hash, struct tp_site site) {
    uint64_t at = hash >> 1;
    while (table->entries[at & table->mask].hash != 0)
        at++;
    table->entries[at & table->mask].site = site;
    __atomic_store_n(&table->entries[at & table->mask].hash, hash, __ATOMIC_RELEASE);
    table->count++;
}

static struct tpi_stack_table *tpi_new_table(uint64_t capacity) {
    struct tpi_stack_table *table = tp_raw_pages(sizeof *table + capacity * sizeof table->entries[0]);
    if (table != NULL) table->mask = capacity - 1;
    return table;
}

static void tpi_forget_stacks(void) {
    for (uint64_t i = 0; tpi_stacks != NULL && i <= tpi_stacks->mask; i++)
        __atomic_store_n(&tpi_stacks->entries[i].hash, 0, __ATOMIC_RELAXED);
    if (tpi_stacks != NULL) tpi_stacks->count = 0;
    tp_context_forget();
}

/* Remembers a stack; without memory it is merely looked at again the next time. */
static void tpi_remember(uint64_t hash, struct tp_site site) {
    if (tpi_stacks != NULL && tpi_stacks->count == TPI_MAX_STACKS) tpi_forget_stacks();
    struct tpi_stack_table *table = tpi_stacks;
    if (table == NULL || 2 * (table->count + 1) > table->mask) {
        struct tpi_stack_table *larger =
            tpi_new_table(table == NULL ? TPI_FIRST_CAPACITY : 2 * (table->mask + 1));
        if (larger == NULL) return;
        for (uint64_t i = 0; table != NULL && i <= table->mask; i++)
            if (table->entries[i].hash != 0) tpi_put(larger, table->entries[i].hash, table->entries[i].site);
        __atomic_store_n(&tpi_stacks, table = larger, __ATOMIC_RELEASE);
    }
    tpi_put(table, hash, site);
}

static struct tpi_key_entry *tpi_find_key(struct tpi_key_entry *keys, size_t capacity,
                                          struct tp_hash128 key) {
    size_t at = key.lo & (capacity - 1);
    while ((keys[at].key.hi | keys[at].key.lo) != 0 &&
           (keys[at].key.hi != key.hi || keys[at].key.lo != key.lo))
        at = (at + 1) & (capacity - 1);
    return &keys[at];
}

/* The entry of `key`, free if it is new; NULL without memory. */
static struct tpi_key_entry *tpi_key_entry(struct tp_hash128 key) {
    if (2 * ((size_t)tpi_count + 1) > tpi_key_capacity) {
        size_t capacity = tpi_key_capacity == 0 ? TPI_FIRST_CAPACITY : 2 * tpi_key_capacity;
        struct tpi_key_entry *larger = tp_raw_pages(capacity * sizeof *larger);
        if (larger == NULL) return NULL;
        for (size_t i = 0; i < tpi_key_capacity; i++)
            if ((tpi_keys[i].key.hi | tpi_keys[i].key.lo) != 0)
                *tpi_find_key(larger, capacity, tpi_keys[i].key) = tpi_keys[i];
        if (tpi_keys != NULL) tp_raw_munmap(tpi_keys, tpi_key_capacity * sizeof *tpi_keys);
        tpi_keys = larger;
        tpi_key_capacity = capacity;
    }
    return tpi_find_key(tpi_keys, tpi_key_capacity, key);
}

/* A stack in terms that outlive the process. */
struct tpi_named_stack {
    struct tp_meta_frame frames[TP_MAX_FRAMES];
    struct tp_meta_line lines[TP_PYTHON_FRAMES]; /* of Python, beyond the frames */
    unsigned n_frames, n_lines;
    bool truncated, pool; /* a pool's stack is that of the pool alone */
    enum tp_allocator allocator;
    struct tp_hash128 key;
    struct tp_stem stem;
};

static void tpi_append(struct tpi_named_stack *stack, uint32_t module, uint64_t offset,
                       struct tp_hash128 identity) {
    if (stack->n_frames > 0) { /* generated code has no offsets: its repeats show only here */
        const struct tp_meta_frame *last = &stack->frames[stack->n_frames - 1];
        if (last->module == module && last->offset == offset) return;
    }
    stack->frames[stack->n_frames++] = (struct tp_meta_frame){module, 0, offset};
    tp_hash128_word(&stack->key, identity.hi);
    tp_hash128_word(&stack->key, identity.lo);
    tp_hash128_word(&stack->key, offset);
    unsigned n = stack->n_frames;
    bool stems = n == 1 || (n <= TP_STEM_FRAMES && stack->stem.prefixes[n - 2] != 0);
    if (stems && module != TP_MODULE_NONE) stack->stem.prefixes[n - 1] = stack->key.hi;
}

static bool tpi_is_pool(const struct tp_backtrace *backtrace, const struct tp_object *objects) {
    if (backtrace->n_frames == 0 || objects[0].end == 0) return false;
    return tp_pool_maps_at(&objects[0], backtrace->frames[0]);
}

/* A frame that cannot be named is the end of what is known. */
static void tpi_name_python(tp_guard *guard, const struct tp_python_stack *python,
                            struct tpi_named_stack *stack) {
    enum tp_python_named named = TP_PYTHON_NAMED;
    for (unsigned i = 0; i < python->n_frames && named == TP_PYTHON_NAMED; i++) {
        struct tp_python_place place;
        named = tp_python_name(guard, &python->frames[i], &place);
        if (named == TP_PYTHON_UNNAMED) break;
        struct tp_meta_line line = place.line;
        const struct tp_meta_line *last = stack->n_lines > 0 ? &stack->lines[stack->n_lines - 1] : NULL;
        if (last != NULL && last->code == line.code && last->line == line.line) continue;
        stack->lines[stack->n_lines++] = line;
        tp_hash128_word(&stack->key, place.identity.hi);
        tp_hash128_word(&stack->key, place.identity.lo);
    }
    stack->truncated |= named == TP_PYTHON_UNNAMED || (python->truncated && named == TP_PYTHON_NAMED);
    if (stack->n_lines > 0) tp_hash128_word(&stack->key, stack->n_lines);
}

static void tpi_name_stack(tp_guard *guard, const struct tp_backtrace *backtrace,
                           const struct tp_object *objects, struct tpi_named_stack *stack) {
    const struct tp_module *module = NULL;
    const struct tp_hash128 nowhere = {0, 0};
    stack->n_frames = stack->n_lines = 0;
    stack->stem = (struct tp_stem){{0}};
    stack->key = nowhere;
    stack->allocator = tp_allocator_of(backtrace, objects);
    stack->pool = stack->allocator != TP_ALLOCATOR_NONE || tpi_is_pool(backtrace, objects);
    stack->truncated = backtrace->truncated && !stack->pool;
    unsigned n_frames = backtrace->n_frames > 1 && stack->pool ? 1 : backtrace->n_frames;
    for (unsigned i = 0; i < n_frames; i++) {
        const struct tp_object *object = &objects[i];
        if (object->end == 0) {
            tpi_append(stack, TP_MODULE_NONE, 0, nowhere);
            continue;
        }
        if (module == NULL || module->start != object->start) module = tp_module_of(guard, object);
        if (module == NULL) {
            tpi_append(stack, TP_MODULE_NONE, 0, nowhere);
            continue;
        }
        tpi_append(stack, module->number, backtrace->frames[i] - module->bias, module->identity);
    }
    tp_hash128_word(&stack->key, stack->n_frames); /* also keeps the key of an empty stack from being 0, 0 */
    if (!stack->pool) tpi_name_python(guard, &backtrace->python, stack);
}

static void tpi_write_site(tp_guard *guard, const struct tp_site *site, const struct tpi_named_stack *stack) {
    uint32_t flags = (stack->truncated ? TPI_SITE_TRUNCATED : 0u) | (site->named ? TPI_SITE_NAMED : 0u) |
                     (stack->pool ? TPI_SITE_POOL : 0u) |
                     (uint32_t)stack->allocator << TPI_SITE_ALLOCATOR_SHIFT;
    struct tp_meta_site record = {site->number,  stack->n_frames, stack->key.hi,
                                  stack->key.lo, site->tier,      flags};
    struct tp_meta_part parts[] = {{&record, sizeof record},
                                   {stack->frames, stack->n_frames * sizeof stack->frames[0]}};
    struct tp_meta_python python = {site->number, stack->n_lines};
    struct tp_meta_part lines[] = {{&python, sizeof python},
                                   {stack->lines, stack->n_lines * sizeof stack->lines[0]}};
    const struct tp_meta_record both[] = {{TP_META_SITE, parts, 2}, {TP_META_PYTHON, lines, 2}};
    tp_meta_write_two(guard, &both[0], stack->n_lines > 0 ? &both[1] : NULL);
}

/* Small objects that the plan places outside the system's memory, or moves, have a pool from the start; what
 * was switched on stays on, in a forked child and under another number, too. */
static uint16_t tpi_pool_of(tp_guard *guard, const struct tpi_named_stack *stack,
                            const struct tp_site *site) {
    struct tp_hash128 key = stack->key;
    if (!tp_slabs_on) return 0;
    bool planned = tp_place_small_of(key.hi, key.lo) && (site->tier != 0 || site->moves);
    if (!planned && tp_slabs_find_pool(guard, key) == 0) return 0;
    tp_stems_add(&stack->stem);
    return (uint16_t)tp_slabs_pool(guard, key, site->number, site->tier);
}

static struct tp_site tpi_number(tp_guard *guard, const struct tpi_named_stack *stack, bool told) {
    struct tp_site site = {.number = TP_SITE_NONE};
    site.tier = (uint8_t)tp_place_tier_of(stack->key.hi, stack->key.lo, &site.named);
    site.allocator = stack->allocator != TP_ALLOCATOR_NONE;
    site.parts = (uint16_t)tp_place_parts_of(stack->key.hi, stack->key.lo);
    site.moves = tp_place_moves(stack->key.hi, stack->key.lo) || site.parts != 0;
    struct tpi_key_entry *entry = tpi_key_entry(stack->key);
    if (entry == NULL) return site;
    bool known = (entry->key.hi | entry->key.lo) != 0;
    site.number = known ? entry->site.number : tpi_next_number++;
    site.pool = tpi_pool_of(guard, stack, &site);
    bool was_told = known && entry->site.told;
    site.told = was_told || told || site.pool != 0;
    if (site.told && (!was_told || entry->site.tier != site.tier || entry->site.named != site.named))
        tpi_write_site(guard, &site, stack);
    tpi_count += !known;
    *entry = (struct tpi_key_entry){stack->key, site, stack->stem};
    return site;
}

/* Numbers a stack that may have been numbered meanwhile. False: its modules have turned out to have an
 * interpreter among them, so that it ends earlier. */
static bool tpi_number_stack(tp_guard *guard, const struct tp_backtrace *backtrace,
                             const struct tp_object *objects, bool told, struct tp_site *site) {
    struct tpi_named_stack stack;
    uint64_t hash = tpi_hash_stack(backtrace);
    tp_guard_lock(guard, &tpi_lock);
    const struct tp_python *met = tp_python_met;
    struct tpi_stack_entry *known = tpi_lookup(tpi_stacks, hash);
    bool enough = known != NULL && known->site.told >= told;
    if (enough) *site = known->site;
    if (!enough) tpi_name_stack(guard, backtrace, objects, &stack);
    bool ends_there = tp_python_met == met;
    if (!enough && ends_there) {
        *site = tpi_number(guard, &stack, told);
        if (known != NULL)
            __atomic_store_n(&known->site.told, site->told, __ATOMIC_RELAXED);
        else if (site->number != TP_SITE_NONE)
            tpi_remember(hash, *site);
    }
    tp_guard_unlock(guard, &tpi_lock);
    return ends_there;
}

static __attribute__((noinline)) struct tp_site
tpi_new_stack(tp_guard *guard, const struct tp_backtrace *backtrace, bool told) {
    struct tp_object objects[TP_MAX_FRAMES];
    for (unsigned i = 0; i < backtrace->n_frames; i++)
        if (!tp_object_find(backtrace->frames[i] - 1, &objects[i])) objects[i].end = 0;
    struct tp_site site = {.number = TP_SITE_NONE};
    if (!tpi_number_stack(guard, backtrace, objects, told, &site)) {
        struct tp_backtrace shorter; /* the first of the same frames */
        tp_unwind(guard, &shorter);
        if (shorter.n_frames > backtrace->n_frames) return site;
        tpi_number_stack(guard, &shorter, objects, told, &site);
    }
    return site;
}

struct tp_site tp_site_of(tp_guard *guard, const struct tp_backtrace *backtrace, bool told) {
    uint64_t hash = tpi_hash_stack(backtrace);
    const struct tpi_stack_entry *entry = tpi_lookup(__atomic_load_n(&tpi_stacks, __ATOMIC_ACQUIRE), hash);
    bool enough = entry != NULL && __atomic_load_n(&entry->site.told, __ATOMIC_RELAXED) >= told;
    return enough ? entry->site : tpi_new_stack(guard, backtrace, told);
}

static struct tpi_key_entry *tpi_known_key(uint64_t key_hi, uint64_t key_lo) {
    if (tpi_keys == NULL) return NULL;
    struct tpi_key_entry *entry =
        tpi_find_key(tpi_keys, tpi_key_capacity, (struct tp_hash128){key_hi, key_lo});
    return (entry->key.hi | entry->key.lo) != 0 ? entry : NULL;
}

uint32_t tp_sites_find(tp_guard *guard, uint64_t key_hi, uint64_t key_lo) {
    tp_guard_lock(guard, &tpi_lock);
    const struct tpi_key_entry *entry = tpi_known_key(key_hi, key_lo);
    uint32_t number = entry != NULL ? entry->site.number : TP_SITE_NONE;
    tp_guard_unlock(guard, &tpi_lock);
    return number;
}

uint32_t tp_sites_set_tier(tp_guard *guard, uint64_t key_hi, uint64_t key_lo, unsigned tier) {
    tp_guard_lock(guard, &tpi_lock);
    struct tpi_key_entry *entry = tpi_known_key(key_hi, key_lo);
    uint32_t number = entry != NULL ? entry->site.number : TP_SITE_NONE;
    bool changes = entry != NULL && entry->site.tier != tier;
    if (changes) {
        entry->site.tier = (uint8_t)tier;
        if (entry->site.pool != 0) tp_slabs_pool(guard, entry->key, number, tier);
        for (uint64_t i = 0; tpi_stacks != NULL && i <= tpi_stacks->mask; i++)
            if (tpi_stacks->entries[i].hash != 0 && tpi_stacks->entries[i].site.number == number)
                __atomic_store_n(&tpi_stacks->entries[i].site.tier, (uint8_t)tier, __ATOMIC_RELAXED);
    }
    tp_guard_unlock(guard, &tpi_lock);
    if (changes) tp_context_forget();
    return number;
}

void tp_sites_forget(tp_guard *guard) {
    tp_guard_lock(guard, &tpi_lock);
    tpi_forget_stacks();
    tp_stems_forget();
    tp_modules_forget();
    tp_python_code_forget();
    tp_guard_unlock(guard, &tpi_lock);
}

bool tp_site_switch_on(tp_guard *guard, uint32_t number) {
    static bool full; /* there are no more pools: it would be asked for again and again */
    bool on = false;
    if (__atomic_load_n(&full, __ATOMIC_RELAXED)) return false;
    tp_guard_lock(guard, &tpi_lock);
    for (size_t i = 0; i < tpi_key_capacity && !on; i++) {
        struct tpi_key_entry *entry = &tpi_keys[i];
        if ((entry->key.hi | entry->key.lo) == 0 || entry->site.number != number) continue;
        entry->site.pool = (uint16_t)tp_slabs_pool(guard, entry->key, number, entry->site.tier);
        on = entry->site.pool != 0;
        if (on) tp_stems_add(&entry->stem);
        if (!on) __atomic_store_n(&full, true, __ATOMIC_RELAXED);
    }
    if (on) tpi_forget_stacks();
    tp_guard_unlock(guard, &tpi_lock);
    return on;
}

void tp_sites_lock(tp_guard *guard) {
    tp_guard_lock(guard, &tpi_lock);
}
void tp_sites_unlock(tp_guard *guard) {
    tp_guard_unlock(guard, &tpi_lock);
}

void tp_sites_fork_child(void) {
    tp_lock_renew(&tpi_lock);
    if (tpi_stacks != NULL)
        tp_raw_munmap(tpi_stacks,
                      sizeof *tpi_stacks + (tpi_stacks->mask + 1) * sizeof tpi_stacks->entries[0]);
    if (tpi_keys != NULL) tp_raw_munmap(tpi_keys, tpi_key_capacity * sizeof *tpi_keys);
    tpi_stacks = NULL;
    tpi_keys = NULL;
    tpi_key_capacity = 0;
    tpi_count = 0;
    tp_context_forget();
    tp_modules_fork_child();
    tp_python_code_fork_child();
}
