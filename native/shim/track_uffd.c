/* track_uffd.c - a program that wants to serve the faults of its own memory (userfaultfd). Memory of a shared
 * tier has all its pages, and no fault ever: so the range leaves the tier, and pages of it that hold nothing
 * but zeroes are missing, as they would be if nobody had written to them.
 */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "../common/rawio.h"
#include "../place/move.h"
#include "../place/place.h"
#include "engine.h"
#include "hooks.h"
#include "track.h"
#include "track_map.h"
#include "track_tear.h"

/* Mappings of the program's that lie in [start, end) become the system's. */
static void tpi_take_out_maps(tp_guard *guard, uintptr_t start, uintptr_t end) {
    struct tpi_ending ending;
    tp_place_make_private((void *)start, end - start);
    tpi_begin_ending(guard, start, end, &ending);
    tpi_finish_ending(guard, &ending);
    for (unsigned i = 0; i < ending.last.n_pieces; i++) {
        struct tp_map map = ending.last.pieces[i];
        map.tier = 0;
        if (map.placed) tp_place_account(0, (int64_t)(map.end - map.start));
        if (!tp_maps_add(guard, &map)) continue;
        tp_engine_claim(map.start, map.end - map.start, map.site);
        tpi_map_record(guard, TP_MAP, &map, tp_now_ns(), TP_FLAG_SPILL, 0);
    }
}

static void tpi_take_out(const struct uffdio_range *range) {
    tp_guard guard;
    bool waited;
    uintptr_t start = range->start, end = tpi_page_end(start + range->len);
    if (start % 4096 != 0 || end <= start || !tp_guard_enter(&guard)) return;
    if (tp_process_ready(&guard) && tp_place_shares((void *)start, end - start)) {
        tp_move_pause(&guard, &waited);
        tpi_tear_off(&guard, (void *)start, end - start); /* memory of malloc's */
        tpi_take_out_maps(&guard, start, end);
        tp_move_resume(&guard, waited);
    }
    tp_guard_leave(&guard);
}

int tp_track_ioctl(int fd, unsigned long request, void *argument) {
    if (request == UFFDIO_REGISTER && argument != NULL && tp_place_active())
        tpi_take_out(&((const struct uffdio_register *)argument)->range);
    return tp_real.ioctl(fd, request, argument);
}
