/* torn.c - one sorted table. Programs that do such things do them to few objects, and most never. */
#include "torn.h"

#include <string.h>

#include "held.h"
#include "pages.h"

struct tpi_part {
    uintptr_t object, start, end;
};

static struct {
    tp_lock lock;
    size_t n_parts, capacity;
    struct tpi_part *parts; /* by object, then start */
    bool blind; /* there was no memory to note a part: every object counts as torn whole, and is leaked */
} tpi_torn = {.lock = TP_LOCK_INIT};

/* Where the object's first part that ends behind `at` is, or would be. */
static size_t tpi_position(uintptr_t object, uintptr_t at) {
    size_t low = 0, high = tpi_torn.n_parts;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct tpi_part *part = &tpi_torn.parts[middle];
        if (part->object < object || (part->object == object && part->end <= at))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool tpi_room_for_one(void) {
    if (tpi_torn.n_parts < tpi_torn.capacity) return true;
    size_t more = tpi_torn.capacity > 0 ? 2 * tpi_torn.capacity : TPI_PAGE_BYTES / sizeof(struct tpi_part);
    struct tpi_part *parts = tp_raw_pages(more * sizeof *parts);
    if (parts == NULL) return false;
    if (tpi_torn.parts != NULL) {
        memcpy(parts, tpi_torn.parts, tpi_torn.n_parts * sizeof *parts);
        tp_raw_munmap(tpi_torn.parts, tpi_torn.capacity * sizeof *parts);
    }
    tpi_torn.parts = parts;
    tpi_torn.capacity = more;
    return true;
}

static void tpi_set_count(size_t n_parts) {
    __atomic_store_n(&tpi_torn.n_parts, n_parts, __ATOMIC_SEQ_CST);
}

void tpi_torn_add(uintptr_t object, uintptr_t start, uintptr_t end) {
    tpi_hold_lock(&tpi_torn.lock);
    if (tpi_room_for_one()) {
        size_t at = tpi_position(object, start), n_behind = tpi_torn.n_parts - at;
        struct tpi_part *part = &tpi_torn.parts[at];
        memmove(part + 1, part, n_behind * sizeof *part);
        *part = (struct tpi_part){object, start, end};
        tpi_set_count(tpi_torn.n_parts + 1);
    } else {
        __atomic_store_n(&tpi_torn.blind, true, __ATOMIC_SEQ_CST);
    }
    tpi_drop_lock(&tpi_torn.lock);
}

static bool tpi_nothing_is_torn(void) {
    return __atomic_load_n(&tpi_torn.n_parts, __ATOMIC_SEQ_CST) == 0 &&
           !__atomic_load_n(&tpi_torn.blind, __ATOMIC_SEQ_CST);
}

bool tpi_torn_next(uintptr_t object, uintptr_t at, uintptr_t *start, uintptr_t *end) {
    if (tpi_nothing_is_torn()) return false;
    if (__atomic_load_n(&tpi_torn.blind, __ATOMIC_RELAXED)) {
        *start = object;
        *end = UINTPTR_MAX;
        return true;
    }
    tpi_hold_lock(&tpi_torn.lock);
    size_t position = tpi_position(object, at);
    bool found = position < tpi_torn.n_parts && tpi_torn.parts[position].object == object;
    if (found) {
        *start = tpi_torn.parts[position].start;
        *end = tpi_torn.parts[position].end;
    }
    tpi_drop_lock(&tpi_torn.lock);
    return found;
}

bool tpi_torn_any(uintptr_t object) {
    uintptr_t start, end;
    return tpi_torn_next(object, object, &start, &end);
}

void tpi_torn_drop(uintptr_t object) {
    tpi_hold_lock(&tpi_torn.lock);
    size_t first = tpi_position(object, 0), last = tpi_position(object, UINTPTR_MAX);
    if (last > first) {
        memmove(&tpi_torn.parts[first], &tpi_torn.parts[last],
                (tpi_torn.n_parts - last) * sizeof *tpi_torn.parts);
        tpi_set_count(tpi_torn.n_parts - (last - first));
    }
    tpi_drop_lock(&tpi_torn.lock);
}

void tpi_torn_fork_prepare(void) {
    tpi_hold_lock(&tpi_torn.lock);
}

void tpi_torn_fork_parent(void) {
    tpi_drop_lock(&tpi_torn.lock);
}

void tpi_torn_fork_child(void) {
    tp_lock_renew(&tpi_torn.lock);
}
