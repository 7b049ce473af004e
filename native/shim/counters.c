/* counters.c - maps the counters, and adds a thread's share to them. */
#include "counters.h"

#include <string.h>

#include "../common/rawio.h"
#include "../place/place.h"

static struct tp_counters tpi_unshared; /* until there is a file */

struct tp_counters *tp_counters = &tpi_unshared;

static struct tp_counters *tpi_map(const char *path) {
    int fd = tp_raw_open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd < 0) return NULL;
    void *mapped = MAP_FAILED;
    if (tp_raw_extend(fd, 0, sizeof(struct tp_counters)) == 0)
        mapped = tp_raw_mmap(tp_raw_aside(sizeof(struct tp_counters)), sizeof(struct tp_counters),
                             PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    tp_raw_close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

void tp_counters_start(const char *path) {
    struct tp_counters *shared = path != NULL ? tpi_map(path) : NULL;
    if (shared == NULL) {
        memset(&tpi_unshared, 0, sizeof tpi_unshared);
        shared = &tpi_unshared;
    }
    shared->version = TP_FORMAT_VERSION;
    shared->pid = (uint32_t)syscall(SYS_getpid);
    memcpy(shared->magic, TP_COUNTERS_MAGIC, sizeof shared->magic);
    tp_counters = shared;
}

void tp_counters_flush(tp_guard *guard) {
    struct tp_thread *self = guard->self;
    tp_place_settle();
    tp_count(&tp_counters->tracked_allocations, self->pending.allocations);
    tp_count(&tp_counters->tracked_frees, self->pending.frees);
    tp_count(&tp_counters->small_samples, self->pending.small_samples);
    tp_count(&tp_counters->small_bytes, self->pending.small_bytes);
    tp_count(&tp_counters->unknown_site_allocations, self->pending.unnamed);
    tp_count(&tp_counters->unwind_truncated, self->pending.truncated);
    tp_count(&tp_counters->context_keys, self->pending.context_keys);
    tp_count(&tp_counters->context_misses, self->pending.context_misses);
    tp_count(&tp_counters->context_mismatches, self->pending.context_mismatches);
    tp_count(&tp_counters->shim_ns, self->pending.shim_ns);
    memset(&self->pending, 0, sizeof self->pending);
}
