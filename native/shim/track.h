/* track.h - the slow paths of the hooks: what is tracked or sampled gets a site, a tier, an owner and a
 * record. Every function here may be called in any state of the shim, and falls back to the real function.
 */
#ifndef TP_TRACK_H
#define TP_TRACK_H

#include <sys/types.h>

#include "process.h"

enum tp_call {
    TP_CALL_MALLOC,
    TP_CALL_CALLOC,
    TP_CALL_POSIX_MEMALIGN,
    TP_CALL_ALIGNED_ALLOC,
    TP_CALL_MEMALIGN,
    TP_CALL_VALLOC,
    TP_CALL_PVALLOC
};

/* An allocation as the program asked for it. */
struct tp_request {
    enum tp_call call;
    size_t size;           /* in all: for calloc the product */
    size_t align;          /* 0: any */
    const uintptr_t *hook; /* the hook's frame; NULL: not known */
};

void *tp_track_allocate(const struct tp_request *request);
void *tp_track_realloc(void *old, size_t size, const uintptr_t *hook);
void tp_track_free(void *address);
/* Write down what is known of allocations, and of mappings, that are alive at the end. */
void tp_track_exit(tp_guard *guard);
void tp_track_exit_maps(tp_guard *guard);
size_t tp_track_usable_size(void *address);

void *tp_track_mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset);
int tp_track_munmap(void *address, size_t size);
void *tp_track_sbrk(intptr_t increment, void *(*real)(intptr_t));
int tp_track_madvise(void *address, size_t size, int advice);
int tp_track_mprotect(void *address, size_t size, int prot);
int tp_track_ioctl(int fd, unsigned long request, void *argument);
void *tp_track_mremap(void *old, size_t old_size, size_t size, int flags, void *to);

/* Is it neither tracked nor the next sample? */
static inline bool tpi_track_below(size_t size, size_t limit) {
    struct tp_thread *self = &tp_self;
    int64_t left = (int64_t)((uint64_t)self->small_left - size); /* of the most absurd sizes, too */
    if (__builtin_expect(size >= limit || left < 0, 0)) return false;
    self->small_left = left;
    return true;
}

/* The fast path's whole decision, while no small object has memory of its own. */
static inline bool tp_track_passes(size_t size) {
    return tpi_track_below(size, tp_pass_limit);
}

/* The same on the slow path, where it has been decided already whose memory it is. */
static inline bool tp_track_unseen(size_t size) {
    return tpi_track_below(size, tp_threshold);
}

/* Sizes from the threshold to this one may be plain; 0: none is. */
extern size_t tp_plain_limit;

/* Is it the C library's, and of a site that the plan leaves there, so that nobody asks for it as long as
 * nothing is recorded? */
bool tp_track_plain(size_t size, const uintptr_t *hook);

#endif
