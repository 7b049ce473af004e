/* stack.c - finds a thread's own stack once; other stacks (coroutines, sigaltstack) are copied, as far as
 * they can be read, because they may end or vanish at any page.
 */
#include "stack.h"

#include <string.h>
#include <sys/uio.h>

#include "../common/rawio.h"

enum {
    TPI_PAGE = 4096,
    TPI_COPY_PAGES = TP_STACK_COPY_BYTES / TPI_PAGE,
    TPI_TEXT_BYTES = 512,
    TPI_MAX_SEARCHES = 4
};

/* The kernel keeps at least this much free below the first thread's stack (MIN_GAP, 128 MiB on x86-64). */
#define TPI_MAIN_STACK_BYTES ((uintptr_t)64 << 20)

extern void *__libc_stack_end __attribute__((weak));

struct tpi_mapping {
    uintptr_t start, end;
};

static bool tpi_hex(const char **at, const char *end, uintptr_t *value) {
    const char *first = *at;
    for (*value = 0; *at < end; (*at)++) {
        char c = **at;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 16u;
        if (digit == 16u) break;
        *value = *value << 4 | digit;
    }
    return *at > first;
}

/* One line of /proc/self/maps: `start-end perms ...`. */
static bool tpi_parse_line(const char *line, const char *end, struct tpi_mapping *mapping) {
    if (!tpi_hex(&line, end, &mapping->start) || line == end || *line++ != '-') return false;
    return tpi_hex(&line, end, &mapping->end);
}

/* Little stack is used, because the thread may have little. A line longer than the text has its numbers in
 * front. */
static bool tpi_find_mapping(uintptr_t address, struct tpi_mapping *mapping) {
    char text[TPI_TEXT_BYTES];
    size_t filled = 0;
    bool found = false, line_begins = true;
    int fd = tp_raw_open("/proc/self/maps", O_RDONLY, 0);
    if (fd < 0) return false;
    for (;;) {
        ssize_t part = syscall(SYS_read, fd, text + filled, sizeof text - filled);
        if (part <= 0) break;
        filled += (size_t)part;
        const char *line = text, *end = text + filled, *newline;
        while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL || end - line == sizeof text) {
            found = line_begins && tpi_parse_line(line, newline != NULL ? newline : end, mapping) &&
                    address >= mapping->start && address < mapping->end;
            if (found) break;
            line_begins = newline != NULL;
            line = newline != NULL ? newline + 1 : end;
        }
        if (found) break;
        filled = (size_t)(end - line);
        memmove(text, line, filled);
    }
    tp_raw_close(fd);
    return found;
}

/* The first thread's stack ends where the C library noted; other threads' own stacks hold their thread
 * control block at the upper end. Anything else is a stack that the program switched to. */
static bool tpi_find_own(struct tp_thread *self, uintptr_t sp) {
    uintptr_t main_end = &__libc_stack_end != NULL ? (uintptr_t)__libc_stack_end : 0;
    if (sp < main_end && main_end - sp < TPI_MAIN_STACK_BYTES) {
        self->stack_low = main_end - TPI_MAIN_STACK_BYTES;
        self->stack_high = main_end;
        return true;
    }
    uintptr_t control_block = (uintptr_t)__builtin_thread_pointer();
    struct tpi_mapping mapping;
    if (sp >= control_block || self->stack_searches >= TPI_MAX_SEARCHES) return false;
    self->stack_searches++;
    if (!tpi_find_mapping(sp, &mapping) || control_block >= mapping.end) return false;
    self->stack_low = mapping.start;
    self->stack_high = control_block;
    return true;
}

struct tp_stack tp_stack_of(tp_guard *guard, uintptr_t sp) {
    struct tp_thread *self = guard->self;
    if ((sp >= self->stack_low && sp < self->stack_high) || tpi_find_own(self, sp))
        return (struct tp_stack){sp, self->stack_high, 0};

    if (self->stack_copy == NULL) self->stack_copy = tp_raw_pages(TP_STACK_COPY_BYTES);
    if (self->stack_copy == NULL) return (struct tp_stack){0, 0, 0};
    /* One piece a page: a copy stops at the first page that cannot be read, and keeps what was read before.
     */
    struct iovec pieces[TPI_COPY_PAGES];
    uintptr_t page = sp & ~(uintptr_t)(TPI_PAGE - 1);
    for (unsigned i = 0; i < TPI_COPY_PAGES; i++)
        pieces[i] = (struct iovec){(void *)(page + i * TPI_PAGE), TPI_PAGE};
    struct iovec target = {self->stack_copy, TP_STACK_COPY_BYTES};
    long copied = syscall(SYS_process_vm_readv, syscall(SYS_getpid), &target, 1ul, pieces,
                          (unsigned long)TPI_COPY_PAGES, 0ul);
    if (copied <= 0) return (struct tp_stack){0, 0, 0};
    return (struct tp_stack){sp, page + (uintptr_t)copied, (intptr_t)((uintptr_t)self->stack_copy - page)};
}
