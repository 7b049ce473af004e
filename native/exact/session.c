/* session.c - memory from Valgrind, output to exact.PID.SEQ.bin.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "session.h"

#include "options.h"

#include <pub_tool_aspacemgr.h>
#include <pub_tool_libcfile.h>
#include <pub_tool_libcprint.h>
#include <pub_tool_libcproc.h>
#include <pub_tool_vki.h>
#include <pub_tool_vkiscnums.h>

/* Valgrind's own, for which its headers for tools have no declaration: */
extern Int VG_(safe_fd)(Int fd); /* to a number that the program neither sees nor can close */
extern SysRes VG_(do_syscall)(UWord number, RegWord, RegWord, RegWord, RegWord, RegWord, RegWord, RegWord,
                              RegWord);

enum { TPI_PATH_BYTES = 4096, TPI_FILES_MAX = 100000 };

static Int tpi_file = -1;
static Off64T tpi_good_bytes; /* of the file: it ends with a whole record there */

static void *tpi_get(size_t bytes) {
    return VG_(am_shadow_alloc)(bytes);
}

static void tpi_put(void *memory, size_t bytes) {
    VG_(am_munmap_valgrind)((Addr)memory, bytes);
}

static Bool tpi_append(const void *bytes, size_t count) {
    const UChar *at = bytes;
    while (count > 0) {
        Int written = VG_(write)(tpi_file, at, (Int)count);
        if (written <= 0) return False;
        at += written;
        count -= (size_t)written;
    }
    return True;
}

/* Half a record at the end would hide what follows. What it took up makes room for the reason. */
static void tpi_disk_full(void) {
    struct {
        struct tpx_header header;
        struct tpx_note note;
    } record = {{TPX_NOTE, sizeof record.note}, {.code = TPX_NOTE_DISK_FULL}};
    VG_(do_syscall)(__NR_ftruncate, (RegWord)tpi_file, (RegWord)tpi_good_bytes, 0, 0, 0, 0, 0, 0);
    VG_(lseek)(tpi_file, tpi_good_bytes, VKI_SEEK_SET);
    tpi_append(&record, sizeof record);
}

/* The simulator hands over whole records, but for pieces larger than its buffer. */
static bool tpi_write(void *context, const void *bytes, size_t count) {
    if (tpi_file < 0) return true;
    if (!tpi_append(bytes, count)) {
        tpi_disk_full();
        return false;
    }
    tpi_good_bytes += (Off64T)count;
    return true;
}

/* The first number that makes the name new: a pid lives on through exec. */
static void tpi_open(void) {
    static HChar path[TPI_PATH_BYTES];
    tpi_file = -1;
    tpi_good_bytes = 0;
    if (tp_options.dir == NULL) return;
    for (Int number = 0; number < TPI_FILES_MAX; number++) {
        VG_(snprintf)(path, sizeof path, "%s/exact.%d.%d.bin", tp_options.dir, VG_(getpid)(), number);
        SysRes opened = VG_(open)(path, VKI_O_CREAT | VKI_O_EXCL | VKI_O_WRONLY, 0644);
        if (!sr_isError(opened)) {
            tpi_file = VG_(safe_fd)((Int)sr_Res(opened));
            return;
        }
        if (sr_Err(opened) != VKI_EEXIST) break;
    }
    VG_(umsg)("cannot write to %s\n", path);
}

static void tpi_close(void) {
    if (tpi_file >= 0) VG_(close)(tpi_file);
    tpi_file = -1;
}

static struct tpm_host tpi_host(void) {
    return (struct tpm_host){
        .get = tpi_get, .put = tpi_put, .write = tpi_write, .pid = (uint32_t)VG_(getpid)()};
}

struct tpm_sim *tp_session_start(void) {
    tpi_open();
    const struct tpm_host host = tpi_host();
    struct tpm_sim *sim = tpm_sim_new(&tp_options.config, &host);
    if (sim == NULL) VG_(umsg)("no memory for the simulated machine\n");
    return sim;
}

Bool tp_session_fork(struct tpm_sim *sim) {
    tpi_close();
    tpi_open();
    const struct tpm_host host = tpi_host();
    return tpm_sim_fork(sim, &host);
}

void tp_session_end(struct tpm_sim *sim) {
    tpm_sim_end(sim);
    tpi_close();
}
