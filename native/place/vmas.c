/* vmas.c - reads /proc/self/maps, and smaps, which is slow, only in a process that has locked anything or
 * given advice. */
#include "vmas.h"

#include <string.h>

#include "../common/rawio.h"
#include "pages.h"

enum { TPI_TEXT_BYTES = 16 * 1024 };

static char tpi_text[TPI_TEXT_BYTES];

/* Lines of a file, one after the other, through the buffer. */
struct tpi_lines {
    int fd;
    size_t at, end;
};

/* The next line, with a NUL in place of its end; NULL at the end of the file. A longer one is cut. */
static char *tpi_next_line(struct tpi_lines *lines) {
    for (;;) {
        char *line = tpi_text + lines->at;
        char *newline = memchr(line, '\n', lines->end - lines->at);
        if (newline != NULL) {
            *newline = 0;
            lines->at = (size_t)(newline - tpi_text) + 1;
            return line;
        }
        size_t rest = lines->end - lines->at;
        if (rest == sizeof tpi_text) rest = 0;
        memmove(tpi_text, line, rest);
        ssize_t got = tp_raw_read(lines->fd, tpi_text + rest, sizeof tpi_text - rest);
        lines->at = 0;
        lines->end = rest + (size_t)(got > 0 ? got : 0);
        if (got <= 0) return NULL;
    }
}

static uint64_t tpi_hex(const char **at) {
    uint64_t value = 0;
    for (;; (*at)++) {
        unsigned digit = (unsigned char)**at;
        if (digit >= '0' && digit <= '9')
            value = value * 16 + (digit - '0');
        else if (digit >= 'a' && digit <= 'f')
            value = value * 16 + (digit - 'a' + 10);
        else
            return value;
    }
}

/* Parses "START-END PERM": false if the line is not a mapping's. */
static bool tpi_mapping(const char *line, uintptr_t *start, uintptr_t *end, const char **permissions) {
    const char *at = line;
    *start = tpi_hex(&at);
    if (at == line || *at != '-') return false;
    const char *second = ++at;
    *end = tpi_hex(&at);
    if (at == second || *at != ' ') return false;
    *permissions = at + 1;
    return true;
}

enum tp_stay tpi_vmas_accessible(uintptr_t start, uintptr_t end) {
    struct tpi_lines lines = {tp_raw_open("/proc/self/maps", O_RDONLY, 0), 0, 0};
    if (lines.fd < 0) return TP_STAY_FAILED;
    uintptr_t good_to = start, from, to;
    const char *permissions;
    for (char *line; good_to < end && (line = tpi_next_line(&lines)) != NULL;) {
        if (!tpi_mapping(line, &from, &to, &permissions) || to <= good_to) continue;
        if (from > good_to || permissions[0] != 'r' || permissions[1] != 'w' || permissions[2] == 'x') break;
        good_to = to;
    }
    tp_raw_close(lines.fd);
    return good_to >= end ? TP_STAY_NONE : TP_STAY_PROTECTED;
}

/* The number in a line of /proc/self/status such as "VmLck:     0 kB"; 1 if it cannot be read. */
static bool tpi_any(const char *status, const char *name) {
    const char *at = strstr(status, name);
    if (at == NULL) return false;
    for (at += strlen(name); *at == ' ' || *at == '\t'; at++) {
    }
    return *at != '0';
}

/* Words of VmFlags (Linux, filesystems/proc.rst) and the advice that they come from. */
static const struct {
    const char *word;
    int advice;
    bool about_pages; /* their size: a kind of tier */
} tpi_lasting[] = {
    {" hg", MADV_HUGEPAGE, true},   {" nh", MADV_NOHUGEPAGE, true},  {" dd", MADV_DONTDUMP, false},
    {" mg", MADV_MERGEABLE, false}, {" sr", MADV_SEQUENTIAL, false}, {" rr", MADV_RANDOM, false},
};

enum { TPI_LASTING = sizeof tpi_lasting / sizeof *tpi_lasting };

/* Not for children, wiped in them, or watched through a userfaultfd of the program's. */
static const char *const tpi_never[] = {" dc", " wf", " um", " uw", " ui"};

static enum tp_stay tpi_check_flags(const char *flags, struct tpi_advice *advice) {
    if (strstr(flags, " lo") != NULL) return TP_STAY_LOCKED;
    for (size_t i = 0; i < sizeof tpi_never / sizeof *tpi_never; i++)
        if (strstr(flags, tpi_never[i]) != NULL) return TP_STAY_PROTECTED;
    for (unsigned i = 0; i < TPI_LASTING; i++)
        if (strstr(flags, tpi_lasting[i].word) != NULL) advice->which |= 1u << i;
    return TP_STAY_NONE;
}

static enum tp_stay tpi_look_at_flags(uintptr_t start, uintptr_t end, struct tpi_advice *advice) {
    struct tpi_lines lines = {tp_raw_open("/proc/self/smaps", O_RDONLY, 0), 0, 0};
    if (lines.fd < 0) return TP_STAY_LOCKED;
    enum tp_stay stay = TP_STAY_NONE;
    bool inside = false;
    uintptr_t from = 0, to = 0;
    const char *permissions;
    for (char *line; stay == TP_STAY_NONE && from < end && (line = tpi_next_line(&lines)) != NULL;) {
        if (tpi_mapping(line, &from, &to, &permissions)) inside = from < end && to > start;
        if (inside && strncmp(line, "VmFlags:", 8) == 0) stay = tpi_check_flags(line, advice);
    }
    tp_raw_close(lines.fd);
    return stay;
}

enum tp_stay tpi_vmas_special(uintptr_t start, uintptr_t end, bool advised, struct tpi_advice *advice) {
    size_t got = tp_raw_read_file("/proc/self/status", tpi_text, sizeof tpi_text - 1);
    tpi_text[got] = 0;
    *advice = (struct tpi_advice){0};
    /* Which pages a device writes to is told nowhere. */
    if (tpi_any(tpi_text, "VmPin:")) return TP_STAY_LOCKED;
    bool locked = got == 0 || tpi_any(tpi_text, "VmLck:");
    return locked || advised ? tpi_look_at_flags(start, end, advice) : TP_STAY_NONE;
}

void tpi_vmas_advise(void *address, size_t size, struct tpi_advice advice, bool pages_too) {
    for (unsigned i = 0; i < TPI_LASTING; i++)
        if ((advice.which & 1u << i) != 0 && (pages_too || !tpi_lasting[i].about_pages))
            tpi_madvise(address, size, tpi_lasting[i].advice);
}
