/* track_alloc.c - the malloc family's slow paths. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/rawio.h"
#include "../place/phases.h"
#include "../place/place.h"
#include "boot.h"
#include "context.h"
#include "counters.h"
#include "engine.h"
#include "hooks.h"
#include "owners.h"
#include "pagemap.h"
#include "parts.h"
#include "sites.h"
#include "small.h"
#include "stream.h"
#include "timing.h"
#include "track.h"
#include "volume.h"

#define TPI_PLACED_ALIGN 4096u
#include "where.h"

static void *tpi_real_call(const struct tp_request *request) {
    void *address = NULL;
    switch (request->call) {
    case TP_CALL_MALLOC:
        return tp_real.malloc(request->size);
    case TP_CALL_CALLOC:
        return tp_real.calloc(1, request->size);
    case TP_CALL_ALIGNED_ALLOC:
        return tp_real.aligned_alloc(request->align, request->size);
    case TP_CALL_MEMALIGN:
        return tp_real.memalign(request->align, request->size);
    case TP_CALL_VALLOC:
        return tp_real.valloc(request->size);
    case TP_CALL_PVALLOC:
        return tp_real.pvalloc(request->size);
    case TP_CALL_POSIX_MEMALIGN:
        return tp_real.posix_memalign(&address, request->align, request->size) == 0 ? address : NULL;
    }
    return NULL;
}

/* The real function, between the program's errno and the time that counts as the shim's. */
static void *tpi_system(tp_guard *guard, struct tp_timing *timing, const struct tp_request *request) {
    tp_timing_pause(timing);
    errno = guard->saved_errno;
    void *address = tpi_real_call(request);
    guard->saved_errno = errno;
    tp_timing_resume(timing);
    return address;
}

/* Without a record nobody asks for the time. */
static uint64_t tpi_record_time_ns(void) {
    return tp_process_records() ? tp_now_ns() : 0;
}

static void tpi_record(tp_guard *guard, enum tp_record_type type, const struct tp_owner *owner,
                       uint64_t time_ns, uint16_t flags, uint32_t aux) {
    if (!tp_process_records()) return;
    bool ends = type == TP_FREE;
    tp_stream_write(guard, &(struct tp_record){.time_ns = time_ns,
                                               .address = owner->address,
                                               .size = ends ? 0 : owner->size,
                                               .site = ends ? TP_SITE_NONE : owner->site,
                                               .type = (uint8_t)type,
                                               .tier = owner->tier,
                                               .flags = flags,
                                               .aux = aux});
}

/* Memory of the site's tier, or NULL: the system's allocator serves. */
static void *tpi_place(struct tp_owner *owner, const struct tp_request *request, struct tp_site site) {
    unsigned got = 0;
    bool zeroed = site.parts != 0;
    void *address;
    if (request->size > PTRDIFF_MAX) return NULL;
    if (site.parts != 0)
        address = tp_place_split(site.parts, site.tier, request->size, request->align, &got);
    else
        address = (site.moves ? tp_place_pages : tp_place_allocate)(site.tier, request->size, request->align,
                                                                    &got, &zeroed);
    owner->tier = (uint8_t)got;
    if (address == NULL) return NULL;
    if (request->call == TP_CALL_CALLOC && !zeroed) memset(address, 0, request->size);
    owner->address = (uintptr_t)address;
    owner->kind = TP_OWNER_PLACED;
    return address;
}

static void tpi_unplace(const struct tp_owner *owner) {
    tp_place_release((void *)owner->address, owner->size, owner->tier);
}

/* Takes over an allocation that is there: owner, accounts, record. The birth is timed now, after the memory
 * was handed out. False: it cannot be tracked, and stays the system's own affair. */
static bool tpi_adopt(tp_guard *guard, struct tp_owner *owner, struct tp_site site) {
    uint64_t now_ns = tpi_record_time_ns();
    owner->accounted = owner->kind == TP_OWNER_SYSTEM && tp_place_active();
    if (!tp_owners_add(guard, owner)) return false;
    if (owner->accounted) tp_place_account(owner->tier, (int64_t)owner->size);
    tp_engine_claim(owner->address, owner->size, owner->site);
    tpi_record(guard, TP_ALLOC, owner, now_ns, owner->tier != site.tier ? TP_FLAG_SPILL : 0, 0);
    if (site.parts != 0 && owner->kind == TP_OWNER_PLACED) tp_parts_record(guard, owner, now_ns);
    guard->self->pending.allocations++;
    guard->self->pending.unnamed += tp_place_active() && !site.named;
    tp_phases_allocated(guard, owner->site);
    return true;
}

/* Placed and adopted: without an owner free() would take the memory for the system's. */
static void *tpi_place_tracked(tp_guard *guard, struct tp_owner *owner, const struct tp_request *request,
                               struct tp_site site) {
    void *address = tp_place_active() ? tpi_place(owner, request, site) : NULL;
    if (address == NULL || tpi_adopt(guard, owner, site)) return address;
    tpi_unplace(owner);
    owner->kind = TP_OWNER_SYSTEM;
    owner->tier = 0;
    return NULL;
}

static void *tpi_tracked(tp_guard *guard, struct tp_timing *timing, const struct tp_request *request) {
    struct tp_site site = tp_parts_site(tp_context_site(guard, request->hook), request->size);
    struct tp_owner owner = {
        .size = request->size, .site = site.number, .tier = site.tier, .kind = TP_OWNER_SYSTEM};
    void *address = tpi_place_tracked(guard, &owner, request, site);
    if (address != NULL) return address;
    address = tpi_system(guard, timing, request);
    owner.address = (uintptr_t)address;
    if (address != NULL) tpi_adopt(guard, &owner, site);
    return address;
}

/* A small allocation that was handed out is the next sample, if enough bytes have gone by. */
static void tpi_sample(tp_guard *guard, void *address, size_t size, const uintptr_t *hook) {
    tp_small_next(guard->self);
    if (address == NULL || !tp_process_records()) return;
    struct tp_site site = tp_context_site(guard, hook);
    struct tp_owner owner = {
        .address = (uintptr_t)address, .size = size, .site = site.number, .kind = TP_OWNER_SMALL};
    uint32_t weight = tp_small_weight(size);
    uint64_t now_ns = tp_now_ns();
    if (!tp_owners_add(guard, &owner)) return;
    tpi_record(guard, TP_SMALL, &owner, now_ns, 0, weight);
    guard->self->pending.small_samples++;
    guard->self->pending.small_bytes += weight * (uint64_t)size;
    tp_volume_add(guard, site.number, weight * (int64_t)size);
}

static void *tpi_allocate(tp_guard *guard, struct tp_timing *timing, const struct tp_request *request) {
    if (request->size >= tp_threshold) return tpi_tracked(guard, timing, request);
    bool passes =
        tp_track_unseen(request->size); /* the slow path may have been taken only to start the thread */
    void *address = tpi_system(guard, timing, request);
    if (!passes) tpi_sample(guard, address, request->size, request->hook);
    return address;
}

bool tp_track_plain(size_t size, const uintptr_t *hook) {
    struct tp_thread *self = &tp_self;
    if (size < tp_threshold || self->depth != 0) return false;
    self->depth = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    const struct tp_context *context = tp_context_certain(self, hook);
    bool plain = context != NULL && context->plain;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->depth = 0;
    return plain;
}

void *tp_track_allocate(const struct tp_request *request) {
    tp_guard guard;
    if (!tp_guard_enter(&guard)) return tpi_real_call(request);
    void *address;
    if (tp_process_ready(&guard)) {
        struct tp_timing timing = tp_timing_begin(&guard);
        address = tpi_allocate(&guard, &timing, request);
        tp_timing_end(&guard, &timing);
    } else {
        errno = guard.saved_errno;
        address = tpi_real_call(request);
        guard.saved_errno = errno;
    }
    tp_guard_leave(&guard);
    return address;
}

/* The end of an allocation whose owner has been taken out: recorded, then given back. `gone`: the real
 * realloc has taken the memory already, so that nothing can be asked about it any more. */
static void tpi_end(tp_guard *guard, const struct tp_owner *owner, uint64_t time_ns, bool gone) {
    const struct tp_where_range range = {owner->address, owner->size, owner->site, time_ns};
    bool asked = !gone && owner->kind != TP_OWNER_SMALL;
    tpi_record(guard, TP_FREE, owner, time_ns, 0, asked ? tp_where_at_end(guard, &range) : 0);
    guard->self->pending.frees += owner->kind != TP_OWNER_SMALL;
    if (owner->kind == TP_OWNER_SMALL)
        tp_volume_add(guard, owner->site, -(int64_t)(tp_small_weight(owner->size) * owner->size));
    else
        tp_engine_release(owner->address, owner->size);
    if (owner->accounted) tp_place_account(owner->tier, -(int64_t)owner->size);
    if (owner->kind == TP_OWNER_PLACED) tpi_unplace(owner);
}

/* Not for certain, and without asking the owners: placed memory begins with a page, in DRAM, too. */
static bool tpi_may_be_placed(const void *address) {
    return tp_pagemap_tier((uintptr_t)address) != 0 ||
           (tp_place_active() && (uintptr_t)address % TPI_PLACED_ALIGN == 0);
}

/* Called with the guard held by an outer frame of this thread: a signal handler, or a library that placement
 * uses. No lock may be waited for if this thread may hold it, and no record be written in the middle of
 * another. Placed memory is leaked; memory of the system's goes back to it, and its record's end is missing.
 */
static void tpi_free_inside(void *address) {
    tp_guard guard = {&tp_self, 0};
    struct tp_owner owner = {.kind = TP_OWNER_SYSTEM};
    if (guard.self->locks > 0) {
        if (!tpi_may_be_placed(address)) tp_real.free(address);
        return;
    }
    if (!tp_owners_take(&guard, (uintptr_t)address, &owner) || owner.kind != TP_OWNER_PLACED)
        tp_real.free(address);
}

void tp_track_free(void *address) {
    tp_guard guard;
    if (tp_boot_owns(address)) return;
    if (!tp_guard_enter(&guard)) {
        tpi_free_inside(address);
        return;
    }
    struct tp_owner owner = {.kind = TP_OWNER_SYSTEM};
    if (tp_process_ready(&guard)) {
        struct tp_timing timing = tp_timing_begin(&guard);
        if (tp_owners_take(&guard, (uintptr_t)address, &owner))
            tpi_end(&guard, &owner, tpi_record_time_ns(), false);
        tp_timing_end(&guard, &timing);
    }
    if (owner.kind != TP_OWNER_PLACED) tp_real.free(address);
    tp_guard_leave(&guard);
}

void tp_track_exit(tp_guard *guard) {
    struct tp_owners_cursor cursor = {0, 0, 0};
    struct tp_owner owner;
    while (tp_owners_next(guard, &cursor, &owner)) {
        if (owner.kind == TP_OWNER_SMALL) continue;
        const struct tp_where_range range = {owner.address, owner.size, owner.site, tp_now_ns()};
        uint32_t pages = tp_where_at_exit(guard, &range);
        if (pages > 0) tpi_record(guard, TP_RESIDENT, &owner, tp_now_ns(), 0, pages);
    }
}

/* By the real function: neither the old nor the new memory is placed. */
static void *tpi_realloc_system(tp_guard *guard, struct tp_timing *timing, void *old, size_t size) {
    tp_timing_pause(timing);
    errno = guard->saved_errno;
    void *address = tp_real.realloc(old, size);
    guard->saved_errno = errno;
    tp_timing_resume(timing);
    return address;
}

/* By copying, because the old memory or the new is placed. */
static void *tpi_realloc_copy(tp_guard *guard, struct tp_timing *timing, const void *old, size_t old_size,
                              void *placed, size_t size) {
    const struct tp_request request = {TP_CALL_MALLOC, size, 0, NULL};
    void *address = placed != NULL ? placed : tpi_system(guard, timing, &request);
    return address != NULL ? memcpy(address, old, old_size < size ? old_size : size) : NULL;
}

/* Parts begin where the object does: what it is cut to keeps them, and what it grows by may be another's. */
static void *tpi_resize_parts(const struct tp_owner *old, const struct tp_owner *owner) {
    bool fits = old->site == owner->site && owner->size <= old->size;
    return fits && tp_place_cut((void *)old->address, old->size, owner->size) ? (void *)old->address : NULL;
}

/* In the tier that holds it, if the site it now belongs to has the same: pages move, nothing is copied. */
static void *tpi_resize_placed(tp_guard *guard, struct tp_owner *owner, const struct tp_owner *old_owner,
                               struct tp_site site) {
    uint64_t before_ns = tp_now_ns();
    if (old_owner->tier != site.tier) return NULL;
    void *address = site.parts != 0 ? tpi_resize_parts(old_owner, owner)
                                    : tp_place_resize((void *)old_owner->address, old_owner->size,
                                                      owner->size, old_owner->tier);
    if (address == NULL) return NULL;
    owner->address = (uintptr_t)address;
    owner->kind = TP_OWNER_PLACED;
    tpi_record(guard, TP_FREE, old_owner, before_ns, 0, 0);
    guard->self->pending.frees++;
    if (tpi_adopt(guard, owner, site)) return address;
    /* Without an owner free() would take it for the system's: so it becomes that, as far as there is memory.
     */
    void *system = tp_real.malloc(owner->size);
    if (system != NULL) memcpy(system, address, owner->size);
    tpi_unplace(owner);
    return system;
}

static void *tpi_realloc(tp_guard *guard, struct tp_timing *timing, void *old, size_t size,
                         const uintptr_t *hook) {
    struct tp_owner old_owner = {.kind = TP_OWNER_SYSTEM};
    bool owned = tp_owners_take(guard, (uintptr_t)old, &old_owner);
    bool old_placed = owned && old_owner.kind == TP_OWNER_PLACED;
    if (old_placed && size == 0) { /* realloc(p, 0) frees, as the C library's does */
        tpi_end(guard, &old_owner, tp_now_ns(), false);
        return NULL;
    }
    bool tracked = size >= tp_threshold;
    struct tp_site site = {.number = TP_SITE_NONE};
    if (tracked) site = tp_parts_site(tp_context_site(guard, hook), size);
    struct tp_owner owner = {.size = size, .site = site.number, .tier = site.tier, .kind = TP_OWNER_SYSTEM};
    const struct tp_request request = {TP_CALL_MALLOC, size, 0, NULL};
    void *resized = old_placed && tracked ? tpi_resize_placed(guard, &owner, &old_owner, site) : NULL;
    if (resized != NULL) return resized;
    void *placed = tracked ? tpi_place_tracked(guard, &owner, &request, site) : NULL;
    uint64_t before_ns = tp_now_ns();
    void *address;
    if (placed == NULL && !old_placed) {
        address = tpi_realloc_system(guard, timing, old, size);
    } else {
        /* Programs write up to malloc_usable_size, and rely on realloc to keep that. */
        size_t old_size = old_placed ? old_owner.size : tp_real.malloc_usable_size(old);
        address = tpi_realloc_copy(guard, timing, old, old_size, placed, size);
    }
    if (address == NULL && size > 0) { /* the old memory lives on as it was */
        if (owned) tp_owners_add(guard, &old_owner);
        return NULL;
    }
    if (owned) tpi_end(guard, &old_owner, before_ns, placed == NULL && !old_placed);
    if (placed != NULL) {
        if (!old_placed) tp_real.free(old);
        return address;
    }
    owner.address = (uintptr_t)address;
    if (tracked)
        tpi_adopt(guard, &owner, site);
    else if (!tp_track_unseen(size))
        tpi_sample(guard, address, size, hook);
    return address;
}

static void *tpi_realloc_ready(tp_guard *guard, void *old, size_t size, const uintptr_t *hook) {
    const struct tp_request request = {TP_CALL_MALLOC, size, 0, hook};
    struct tp_timing timing = tp_timing_begin(guard);
    void *address =
        old == NULL ? tpi_allocate(guard, &timing, &request) : tpi_realloc(guard, &timing, old, size, hook);
    tp_timing_end(guard, &timing);
    return address;
}

static void *tpi_realloc_boot(void *old, size_t size, const uintptr_t *hook) {
    void *address = tp_track_allocate(&(struct tp_request){TP_CALL_MALLOC, size, 0, hook});
    size_t old_size = tp_boot_size(old);
    return address != NULL ? memcpy(address, old, old_size < size ? old_size : size) : NULL;
}

/* As tpi_free_inside; placed memory cannot grow here. */
static void *tpi_realloc_inside(void *old, size_t size) {
    tp_guard guard = {&tp_self, 0};
    struct tp_owner owner = {.kind = TP_OWNER_SYSTEM};
    bool placed = tpi_may_be_placed(old);
    if (guard.self->locks == 0) {
        placed = tp_owners_get(&guard, (uintptr_t)old, &owner) && owner.kind == TP_OWNER_PLACED;
        if (!placed) tp_owners_take(&guard, (uintptr_t)old, &owner);
    }
    if (!placed) return tp_real.realloc(old, size);
    errno = ENOMEM;
    return NULL;
}

void *tp_track_realloc(void *old, size_t size, const uintptr_t *hook) {
    tp_guard guard;
    if (old != NULL && tp_boot_owns(old)) return tpi_realloc_boot(old, size, hook);
    if (!tp_guard_enter(&guard)) return tpi_realloc_inside(old, size);
    void *address;
    if (tp_process_ready(&guard)) {
        address = tpi_realloc_ready(&guard, old, size, hook);
    } else {
        errno = guard.saved_errno;
        address = tp_real.realloc(old, size);
        guard.saved_errno = errno;
    }
    tp_guard_leave(&guard);
    return address;
}

size_t tp_track_usable_size(void *address) {
    tp_guard guard;
    struct tp_owner owner = {.kind = TP_OWNER_SYSTEM};
    if (tp_boot_owns(address)) return tp_boot_size(address);
    if (!tp_guard_enter(&guard)) return tp_real.malloc_usable_size(address);
    if (tp_process_ready(&guard)) tp_owners_get(&guard, (uintptr_t)address, &owner);
    tp_guard_leave(&guard);
    return owner.kind == TP_OWNER_PLACED ? owner.size : tp_real.malloc_usable_size(address);
}
