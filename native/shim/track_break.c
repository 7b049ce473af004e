/* track_break.c - sbrk, from which some allocators that are linked into a program have their memory. What the
 * break moves over is a mapping like any other; the C library moves it for its own heap without asking here.
 */
#include <errno.h>
#include <sys/mman.h>

#include "track.h"
#include "track_map.h"

#define TPI_FAILED ((void *)-1)

/* The pages that the break has moved over are fresh; the one that it came from is not. */
static void *tpi_grow(tp_guard *guard, intptr_t increment, void *(*real)(intptr_t)) {
    struct tp_site site;
    bool tracked = tpi_map_site(guard, (size_t)increment, &site);
    void *old = real(increment);
    if (old == TPI_FAILED || !tracked) return old;
    struct tp_map map = {.start = tpi_page_end((uintptr_t)old),
                         .end = tpi_page_end((uintptr_t)old + (uintptr_t)increment)};
    if (map.end > map.start)
        tpi_map_adopt(guard, &map, site, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    return old;
}

static void *tpi_shrink(tp_guard *guard, intptr_t increment, void *(*real)(intptr_t)) {
    struct tpi_ending ending;
    uintptr_t end = (uintptr_t)real(0);
    tpi_begin_ending(guard, tpi_page_end(end + (uintptr_t)increment), tpi_page_end(end), &ending);
    void *old = real(increment);
    (old != TPI_FAILED ? tpi_finish_ending : tpi_cancel_ending)(guard, &ending);
    return old;
}

void *tp_track_sbrk(intptr_t increment, void *(*real)(intptr_t)) {
    tp_guard guard;
    if (increment == 0 || !tp_guard_enter(&guard)) return real(increment);
    errno = guard.saved_errno;
    void *old = !tp_process_ready(&guard) ? real(increment)
                : increment > 0           ? tpi_grow(&guard, increment, real)
                                          : tpi_shrink(&guard, increment, real);
    if (old == TPI_FAILED) guard.saved_errno = errno;
    tp_guard_leave(&guard);
    return old;
}
