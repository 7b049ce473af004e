/* stream.c - hands out chunks of the record file. Their space is reserved before they are mapped, so that a
 * store never meets a full disk (which would be a SIGBUS in the program).
 */
#include "stream.h"

#include <string.h>
#include <sys/uio.h>

#include "../common/check.h"
#include "../common/rawio.h"
#include "counters.h"
#include "meta.h"
#include "options.h"

enum {
    TPI_FREE_CHUNKS = 256,
    TPI_ZEROS_BYTES = 4096,
    TPI_CHUNK_RECORDS = (TP_CHUNK_BYTES - sizeof(struct tp_chunk_header)) / sizeof(struct tp_record)
};

/* A chunk that its thread left, to be filled up by another. */
struct tpi_free_chunk {
    void *chunk;
    struct tp_record *record, *end;
};

static tp_lock tpi_lock = TP_LOCK_INIT;
static struct tpi_free_chunk tpi_free[TPI_FREE_CHUNKS];
static unsigned tpi_free_count;
static uint64_t tpi_next_chunk;
static uint32_t tpi_recording;
static tp_meta_path tpi_path;

_Static_assert(sizeof(struct tp_record) == 40 && sizeof(struct tp_chunk_header) == 40, "the file's layout");

bool tp_stream_start(tp_guard *guard) {
    tp_meta_name("alloc", tpi_path);
    int fd = tp_raw_open(tpi_path, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd < 0) return false;
    tp_raw_close(fd);
    __atomic_store_n(&tpi_next_chunk, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&tpi_recording, 1, __ATOMIC_RELEASE);
    return true;
}

static void tpi_stop(tp_guard *guard, int error) {
    __atomic_store_n(&tpi_recording, 0, __ATOMIC_RELEASE);
    if (error == 0)
        tp_meta_note(guard, TP_NOTE_LIMIT_REACHED, 0, "the record file reached its size limit");
    else if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        tp_meta_note(guard, TP_NOTE_DISK_FULL, (uint32_t)error, "no space for more records");
    else
        tp_meta_note(guard, TP_NOTE_OTHER, (uint32_t)error, "the record file cannot be extended");
}

static void tpi_use(struct tp_thread *self, void *chunk) {
    struct tp_chunk_header *header = chunk;
    header->version = TP_FORMAT_VERSION;
    header->header_bytes = sizeof *header;
    header->record_bytes = sizeof(struct tp_record);
    header->chunk_bytes = TP_CHUNK_BYTES;
    header->pid = (uint32_t)syscall(SYS_getpid);
    header->tid = self->tid;
    header->start_ns = tp_now_ns();
    memcpy(header->magic, TP_ALLOC_MAGIC, sizeof header->magic);
    self->chunk = chunk;
    self->record = (struct tp_record *)(header + 1);
    self->chunk_end = self->record + TPI_CHUNK_RECORDS;
}

/* Puts the chunk's pages into the page cache. They would come there at the first store to each, but from a
 * file on a disk at four times the cost: space that is only reserved is read before it is written to. */
static void tpi_write_zeros(int fd, uint64_t offset) {
    static const char zeros[TPI_ZEROS_BYTES];
    struct iovec pieces[TP_CHUNK_BYTES / TPI_ZEROS_BYTES];
    for (unsigned i = 0; i < TP_CHUNK_BYTES / TPI_ZEROS_BYTES; i++)
        pieces[i] = (struct iovec){(void *)zeros, TPI_ZEROS_BYTES};
    syscall(SYS_pwritev, fd, pieces, (unsigned long)(TP_CHUNK_BYTES / TPI_ZEROS_BYTES), (long)offset,
            (long)(offset >> 32));
}

/* A new chunk at the end of the file. 0, or why not: EAGAIN if it may work the next time. */
static int tpi_new_chunk(tp_guard *guard) {
    int fd = tp_raw_open(tpi_path, O_RDWR, 0);
    if (fd < 0) return errno == EMFILE || errno == ENFILE || errno == EINTR ? EAGAIN : errno;
    uint64_t offset = __atomic_load_n(&tpi_next_chunk, __ATOMIC_RELAXED) * TP_CHUNK_BYTES;
    int error = 0;
    if (offset + TP_CHUNK_BYTES > tp_options.max_bytes) {
        tpi_stop(guard, 0);
        error = EAGAIN;
    } else {
        offset = __atomic_fetch_add(&tpi_next_chunk, 1, __ATOMIC_RELAXED) * TP_CHUNK_BYTES;
        error = tp_raw_extend(fd, offset, TP_CHUNK_BYTES);
    }
    void *chunk = MAP_FAILED;
    if (error == 0) {
        tpi_write_zeros(fd, offset);
        chunk = tp_raw_mmap(tp_raw_aside(TP_CHUNK_BYTES), TP_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                            fd, (off_t)offset);
    }
    tp_raw_close(fd);
    if (error != 0) return error;
    if (chunk == MAP_FAILED) return ENOMEM;
    tpi_use(guard->self, chunk);
    return 0;
}

static bool tpi_take_free(tp_guard *guard) {
    struct tp_thread *self = guard->self;
    tp_guard_lock(guard, &tpi_lock);
    bool taken = tpi_free_count > 0;
    if (taken) {
        tpi_free_count--;
        self->chunk = tpi_free[tpi_free_count].chunk;
        self->record = tpi_free[tpi_free_count].record;
        self->chunk_end = tpi_free[tpi_free_count].end;
    }
    tp_guard_unlock(guard, &tpi_lock);
    return taken;
}

static void tpi_unmap_chunk(struct tp_thread *self) {
    if (self->chunk != NULL) tp_raw_munmap(self->chunk, TP_CHUNK_BYTES);
    self->chunk = NULL;
    self->record = self->chunk_end = NULL;
}

static __attribute__((noinline)) bool tpi_next(tp_guard *guard) {
    tpi_unmap_chunk(guard->self);
    if (tpi_take_free(guard)) return true;
    int error = tpi_new_chunk(guard);
    if (error != 0 && error != EAGAIN) tpi_stop(guard, error);
    return error == 0;
}

void tp_stream_write(tp_guard *guard, const struct tp_record *record) {
    struct tp_thread *self = guard->self;
    if (__atomic_load_n(&tpi_recording, __ATOMIC_RELAXED) == 0 ||
        (__builtin_expect(self->record == self->chunk_end, 0) && !tpi_next(guard))) {
        tp_count(&tp_counters->dropped_records, 1);
        return;
    }
    struct tp_record *to = self->record;
    TP_CHECK(to < self->chunk_end && to->type == TP_END && record->type != TP_END);
    to->time_ns = record->time_ns;
    to->address = record->address;
    to->size = record->size;
    to->site = record->site;
    to->tid = self->tid;
    to->tier = record->tier;
    to->flags = record->flags;
    to->aux = record->aux;
    __atomic_store_n(&to->type, record->type,
                     __ATOMIC_RELEASE); /* last: a record without type is not there */
    self->record = to + 1;
}

void tp_stream_release(tp_guard *guard) {
    struct tp_thread *self = guard->self;
    if (self->chunk == NULL) return;
    tp_guard_lock(guard, &tpi_lock);
    if (tpi_free_count < TPI_FREE_CHUNKS && self->record < self->chunk_end) {
        tpi_free[tpi_free_count++] = (struct tpi_free_chunk){self->chunk, self->record, self->chunk_end};
        self->chunk = NULL;
    }
    tp_guard_unlock(guard, &tpi_lock);
    tpi_unmap_chunk(self);
}

void tp_stream_fork_prepare(tp_guard *guard) {
    tp_guard_lock(guard, &tpi_lock);
}
void tp_stream_fork_parent(tp_guard *guard) {
    tp_guard_unlock(guard, &tpi_lock);
}

void tp_stream_fork_child(tp_guard *guard) {
    tp_lock_renew(&tpi_lock);
    tpi_free_count = 0;
    tpi_recording = 0;
    tpi_unmap_chunk(guard->self);
}
