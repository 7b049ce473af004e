/* meta.c - the file of things that happen once. Space for notes and the exit record is reserved ahead, so
 * that a full disk can still be told of. */
#include "meta.h"

#include <string.h>
#include <sys/uio.h>

#include "../common/rawio.h"
#include "options.h"

enum {
    TPI_RESERVE_STEP = 64 * 1024,
    TPI_RESERVE_FOR_NOTES = 4096,
    TPI_MAX_SEQ = 10000,
    TPI_CMDLINE_BYTES = 32 * 1024
};

static tp_lock tpi_lock = TP_LOCK_INIT;
static uint32_t tpi_pid, tpi_seq;
static tp_meta_path tpi_path;
static uint64_t tpi_written, tpi_reserved;
static bool tpi_open, tpi_failed;
static uint64_t tpi_noted; /* bit per note code below 64 */
static char tpi_program[PATH_MAX];
static char tpi_cmdline[TPI_CMDLINE_BYTES];

static char *tpi_append_text(char *to, const char *end, const char *text) {
    while (*text != '\0' && to < end)
        *to++ = *text++;
    return to;
}

static char *tpi_append_number(char *to, const char *end, uint32_t number) {
    char digits[10];
    unsigned n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    while (n > 0 && to < end)
        *to++ = digits[--n];
    return to;
}

void tp_meta_name(const char *kind, tp_meta_path path) {
    const char *end = path + TP_META_PATH_BYTES - 1;
    char *to = tpi_append_text(path, end, tp_options.dir);
    to = tpi_append_text(to, end, "/");
    to = tpi_append_text(to, end, kind);
    to = tpi_append_text(to, end, ".");
    to = tpi_append_number(to, end, tpi_pid);
    to = tpi_append_text(to, end, ".");
    to = tpi_append_number(to, end, tpi_seq);
    to = tpi_append_text(to, end, ".bin");
    *to = '\0';
}

const char *tp_meta_program(void) {
    return tpi_program;
}

/* Makes sure that `size` more bytes fit, and leaves the reserve for notes untouched unless this is one. */
static bool tpi_reserve(int fd, uint64_t size, bool urgent) {
    uint64_t needed = tpi_written + size + (urgent ? 0 : TPI_RESERVE_FOR_NOTES);
    if (needed <= tpi_reserved) return true;
    uint64_t step = needed - tpi_reserved > TPI_RESERVE_STEP ? needed - tpi_reserved : TPI_RESERVE_STEP;
    int error = tp_raw_reserve(fd, FALLOC_FL_KEEP_SIZE, tpi_reserved, step);
    if (error == 0) tpi_reserved += step;
    return error == 0 || error == EOPNOTSUPP || error == ENOSYS;
}

static bool tpi_write_vector(const struct iovec *vector, unsigned n_parts, uint64_t size, bool urgent) {
    int fd = tp_raw_open(tpi_path, O_WRONLY | O_APPEND, 0);
    if (fd < 0) return false;
    bool written = tpi_reserve(fd, size, urgent) && tpi_written + size <= tp_raw_file_limit();
    written = written && syscall(SYS_writev, fd, vector, n_parts) == (long)size;
    if (written) tpi_written += size;
    tp_raw_close(fd);
    return written;
}

/* Puts a record and its header into a vector; how many parts that makes. */
static unsigned tpi_add_record(const struct tp_meta_record *record, struct tp_meta_header *header,
                               struct iovec *vector, uint64_t *size) {
    *header = (struct tp_meta_header){record->type, 0};
    vector[0] = (struct iovec){header, sizeof *header};
    for (unsigned i = 0; i < record->n_parts; i++) {
        vector[i + 1] = (struct iovec){(void *)record->parts[i].bytes, record->parts[i].size};
        header->bytes += (uint32_t)record->parts[i].size;
    }
    *size += header->bytes + sizeof *header;
    return record->n_parts + 1;
}

bool tp_meta_write_two(tp_guard *guard, const struct tp_meta_record *first,
                       const struct tp_meta_record *second) {
    struct tp_meta_header headers[2];
    struct iovec vector[2 * (TP_META_PARTS + 1)];
    uint64_t size = 0;
    unsigned n_parts = tpi_add_record(first, &headers[0], vector, &size);
    if (second != NULL) n_parts += tpi_add_record(second, &headers[1], vector + n_parts, &size);
    bool urgent = first->type == TP_META_NOTE || first->type == TP_META_EXIT;
    tp_guard_lock(guard, &tpi_lock);
    bool written = tpi_open && (urgent || !tpi_failed);
    if (written) written = tpi_write_vector(vector, n_parts, size, urgent);
    if (!written && !urgent)
        tpi_failed = true; /* a gap in the numbering of sites would be worse than an end */
    tp_guard_unlock(guard, &tpi_lock);
    return written;
}

bool tp_meta_write(tp_guard *guard, enum tp_meta_type type, const struct tp_meta_part *parts,
                   unsigned n_parts) {
    return tp_meta_write_two(guard, &(struct tp_meta_record){type, parts, n_parts}, NULL);
}

void tp_meta_note(tp_guard *guard, enum tp_note_code code, uint32_t value, const char *text) {
    uint64_t bit = 1ull << (code < 64 ? code : 0);
    if (code < 64 && (__atomic_fetch_or(&tpi_noted, bit, __ATOMIC_RELAXED) & bit) != 0) return;
    struct tp_meta_note note = {code, value, tp_now_ns()};
    struct tp_meta_part parts[] = {{&note, sizeof note}, {text, strlen(text) + 1}};
    tp_meta_write(guard, TP_META_NOTE, parts, 2);
}

void tp_meta_exit(tp_guard *guard) {
    struct tp_meta_exit last = {tp_now_ns()};
    struct tp_meta_part part = {&last, sizeof last};
    tp_meta_write(guard, TP_META_EXIT, &part, 1);
}

/* The first SEQ whose name is new: a pid lives on through exec, and comes back after some time. */
static int tpi_create(void) {
    for (tpi_seq = 0; tpi_seq < TPI_MAX_SEQ; tpi_seq++) {
        tp_meta_name("meta", tpi_path);
        int fd = tp_raw_open(tpi_path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static void tpi_write_process(tp_guard *guard, bool forked) {
    struct tp_meta_process process = {tp_now_ns(),
                                      tpi_pid,
                                      (uint32_t)syscall(SYS_getppid),
                                      forked,
                                      tp_options.threshold_bytes,
                                      tp_options.small_period_bytes};
    long length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", tpi_program, sizeof tpi_program - 1);
    tpi_program[length > 0 ? length : 0] = '\0';
    size_t cmdline_bytes = tp_raw_read_file("/proc/self/cmdline", tpi_cmdline, sizeof tpi_cmdline);
    struct tp_meta_part parts[] = {
        {&process, sizeof process}, {tpi_program, strlen(tpi_program) + 1}, {tpi_cmdline, cmdline_bytes}};
    tp_meta_write(guard, TP_META_PROCESS, parts, 3);
}

bool tp_meta_start(tp_guard *guard, bool forked) {
    struct {
        char magic[8];
        uint32_t version, pid;
    } header = {TP_META_MAGIC, TP_FORMAT_VERSION, (uint32_t)syscall(SYS_getpid)};
    tpi_pid = header.pid;
    tpi_written = tpi_reserved = tpi_noted = 0;
    tpi_failed = false;
    int fd = tpi_create();
    tpi_open = fd >= 0 && tpi_reserve(fd, sizeof header, false) && tp_raw_write(fd, &header, sizeof header);
    if (fd >= 0) tp_raw_close(fd);
    if (!tpi_open) return false;
    tpi_written = sizeof header;
    tpi_write_process(guard, forked);
    return !tpi_failed;
}

void tp_meta_fork_prepare(tp_guard *guard) {
    tp_guard_lock(guard, &tpi_lock);
}
void tp_meta_fork_parent(tp_guard *guard) {
    tp_guard_unlock(guard, &tpi_lock);
}
void tp_meta_fork_child(void) {
    tp_lock_renew(&tpi_lock);
}
