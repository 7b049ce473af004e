/* python_code.c - see python_code.h. The table of locations: CPython's Objects/locations.md. */
#include "python_code.h"

#include <limits.h>
#include <string.h>

#include "../common/rawio.h"
#include "meta.h"
#include "python_layout.h"
#include "readable.h"

enum { TPI_FIRST_CAPACITY = 1024, TPI_NAME_BYTES = 1024, TPI_MAX_LINES_BYTES = 1 << 24, TPI_PLACE_BITS = 14 };

struct tpi_code_entry {
    struct tp_hash128 identity; /* of file, function and first line; 0, 0: free */
    uint32_t number;
};

/* A code object's own names, as they are written. */
static struct {
    char file[PATH_MAX], function[TPI_NAME_BYTES];
    size_t file_bytes, function_bytes;
    int32_t first_line;
} tpi_names;

/* What frames were called, so that few are looked at twice; code 0: free. */
struct tpi_place_entry {
    struct tp_python_frame frame;
    struct tp_python_place place;
    enum tp_python_named named;
};

static struct tpi_code_entry *tpi_codes;
static struct tpi_place_entry *tpi_places;
static size_t tpi_capacity;
static uint32_t tpi_count;

static uintptr_t tpi_word(uintptr_t address) {
    uintptr_t word;
    memcpy(&word, (const void *)address, sizeof word);
    return word;
}

static bool tpi_all_readable(struct tp_readable *known, uintptr_t start, size_t bytes) {
    const size_t piece = 1u << TPI_READABLE_PAGE_SHIFT;
    for (; bytes > 0; start += piece) {
        size_t part = bytes < piece ? bytes : piece;
        if (!tp_readable(known, start, part)) return false;
        bytes -= part;
    }
    return true;
}

static bool tpi_is(struct tp_readable *known, uintptr_t object, uintptr_t type, size_t bytes) {
    return object % 8 == 0 && tp_readable(known, object, bytes) && tpi_word(object + TP_PYTHON_TYPE) == type;
}

/* One letter in UTF-8; how many bytes. What stands for a byte that was none (PEP 383) becomes that byte
 * again. */
static size_t tpi_put_letter(char *to, uint32_t letter) {
    if (letter < 0x80 || (letter >= 0xdc80 && letter <= 0xdcff)) {
        to[0] = (char)letter;
        return 1;
    }
    size_t bytes = letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;
    for (size_t i = bytes - 1; i > 0; i--, letter >>= 6)
        to[i] = (char)(0x80 | (letter & 0x3f));
    to[0] = (char)(0xf00 >> bytes | letter);
    return bytes;
}

/* The text of a str, cut where it does not fit; how many bytes. A str of a subclass keeps its letters
 * elsewhere: it is "?". */
static size_t tpi_text(const struct tp_python *python, struct tp_readable *known, uintptr_t object, char *to,
                       size_t limit) {
    size_t filled = 0;
    to[filled++] = '?';
    if (!tpi_is(known, object, python->text_type, python->at.text_ascii)) return filled;
    uint32_t state = *(const uint32_t *)(object + TP_PYTHON_TEXT_STATE);
    unsigned kind = state >> 2 & 7;
    bool compact = (state >> 5 & 1) != 0, ascii = (state >> 6 & 1) != 0;
    size_t length = tpi_word(object + TP_PYTHON_SIZE);
    uintptr_t letters = object + (ascii ? python->at.text_ascii : python->at.text_compact);
    if (!compact || (kind != 1 && kind != 2 && kind != 4)) return filled;
    if (length > limit) length = limit;
    if (!tpi_all_readable(known, letters, length * kind)) return filled;
    filled = 0;
    for (size_t i = 0; i < length && limit - filled >= 4; i++) {
        uint32_t letter = kind == 1   ? ((const uint8_t *)letters)[i]
                          : kind == 2 ? ((const uint16_t *)letters)[i]
                                      : ((const uint32_t *)letters)[i];
        if (letter == 0) break;
        filled += tpi_put_letter(to + filled, letter);
    }
    return filled;
}

/* A number of the table of locations: six bits a byte, lowest first. */
static uint32_t tpi_read_number(const uint8_t **at, const uint8_t *end) {
    uint32_t number = 0;
    for (unsigned shift = 0; *at < end && shift < 32; shift += 6) {
        uint8_t byte = *(*at)++;
        number |= (uint32_t)(byte & 0x3f) << shift;
        if ((byte & 0x40) == 0) break;
    }
    return number;
}

/* By how many lines an entry goes on; *none: its instructions have no line. */
static int32_t tpi_line_step(unsigned kind, const uint8_t *at, const uint8_t *end, bool *none) {
    *none = kind == 15;
    if (kind == 13 || kind == 14) {
        uint32_t number = tpi_read_number(&at, end);
        return (number & 1) != 0 ? -(int32_t)(number >> 1) : (int32_t)(number >> 1);
    }
    return kind >= 10 && kind <= 12 ? (int32_t)kind - 10 : 0;
}

/* The line of an instruction, counted in units from the first; that of the one before it where it has none.
 */
static int32_t tpi_line_at(const uint8_t *at, const uint8_t *end, int32_t first_line, int64_t unit) {
    int32_t line = first_line, told = first_line;
    for (int64_t reached = 0; at < end && reached <= unit;) {
        uint8_t head = *at++;
        bool none;
        line += tpi_line_step(head >> 3 & 15, at, end, &none);
        if (!none) told = line;
        reached += (head & 7) + 1;
        while (at < end && (*at & 0x80) == 0)
            at++;
    }
    return told;
}

/* Before its first instruction a frame is at the function's first line. */
static int32_t tpi_line_of(const struct tp_python *python, struct tp_readable *known,
                           const struct tp_python_frame *frame, int32_t first_line) {
    uintptr_t lines = tpi_word(frame->code + python->at.code_lines);
    int64_t offset = (int64_t)(frame->instruction - (frame->code + python->at.code_instructions));
    int64_t unit = offset / TP_PYTHON_CODE_UNIT;
    if (offset < 0 || unit >= (int64_t)tpi_word(frame->code + TP_PYTHON_SIZE)) return first_line;
    if (!tpi_is(known, lines, python->bytes_type, TP_PYTHON_BYTES)) return first_line;
    size_t size = tpi_word(lines + TP_PYTHON_SIZE);
    if (size > TPI_MAX_LINES_BYTES || !tpi_all_readable(known, lines, TP_PYTHON_BYTES + size))
        return first_line;
    const uint8_t *table = (const uint8_t *)(lines + TP_PYTHON_BYTES);
    return tpi_line_at(table, table + size, first_line, unit);
}

/* The entry of an identity, free if it is new; NULL without memory. */
static struct tpi_code_entry *tpi_find(struct tpi_code_entry *codes, size_t capacity,
                                       struct tp_hash128 identity) {
    size_t at = identity.lo & (capacity - 1);
    while ((codes[at].identity.hi | codes[at].identity.lo) != 0 &&
           (codes[at].identity.hi != identity.hi || codes[at].identity.lo != identity.lo))
        at = (at + 1) & (capacity - 1);
    return &codes[at];
}

static struct tpi_code_entry *tpi_entry(struct tp_hash128 identity) {
    if (2 * ((size_t)tpi_count + 1) > tpi_capacity) {
        size_t capacity = tpi_capacity == 0 ? TPI_FIRST_CAPACITY : 2 * tpi_capacity;
        struct tpi_code_entry *larger = tp_raw_pages(capacity * sizeof *larger);
        if (larger == NULL) return NULL;
        for (size_t i = 0; i < tpi_capacity; i++)
            if ((tpi_codes[i].identity.hi | tpi_codes[i].identity.lo) != 0)
                *tpi_find(larger, capacity, tpi_codes[i].identity) = tpi_codes[i];
        if (tpi_codes != NULL) tp_raw_munmap(tpi_codes, tpi_capacity * sizeof *tpi_codes);
        tpi_codes = larger;
        tpi_capacity = capacity;
    }
    return tpi_find(tpi_codes, tpi_capacity, identity);
}

/* The number of the code that the names are of. */
static bool tpi_number(tp_guard *guard, uint32_t *number) {
    struct tp_hash128 identity = {0, 0};
    tp_hash128_bytes(&identity, tpi_names.file, tpi_names.file_bytes);
    tp_hash128_bytes(&identity, tpi_names.function, tpi_names.function_bytes);
    tp_hash128_word(&identity, (uint64_t)tpi_names.first_line);
    struct tpi_code_entry *entry = tpi_entry(identity);
    if (entry == NULL) return false;
    if ((entry->identity.hi | entry->identity.lo) == 0) {
        struct tp_meta_code code = {tpi_count, (uint32_t)tpi_names.first_line};
        const char end = '\0';
        struct tp_meta_part parts[] = {{&code, sizeof code},
                                       {tpi_names.file, tpi_names.file_bytes},
                                       {&end, 1},
                                       {tpi_names.function, tpi_names.function_bytes}};
        tp_meta_write(guard, TP_META_CODE, parts, 4);
        *entry = (struct tpi_code_entry){identity, tpi_count++};
    }
    *number = entry->number;
    return true;
}

/* The file's name and that of its folder: the rest differs from one machine to the next. */
static size_t tpi_tail(void) {
    size_t at = tpi_names.file_bytes;
    for (unsigned slashes = 0; at > 0; at--)
        if (tpi_names.file[at - 1] == '/' && ++slashes == 2) break;
    return at;
}

static bool tpi_letter_of_tempfile(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_';
}

/* torch-geometric writes a module of each convolution to a new temporary file in every run:
 * NAME_propagate_XXXXXXXX.py. How much of its name is the same each time; 0 of any other file. */
static size_t tpi_generated(const char *name, size_t bytes) {
    static const char *const ends[] = {"_propagate", "_edge_updater"};
    enum { RANDOM = 8, TAIL = 1 + RANDOM + 3 };
    if (bytes <= TAIL || name[bytes - TAIL] != '_' || memcmp(name + bytes - 3, ".py", 3) != 0) return 0;
    for (size_t i = bytes - TAIL + 1; i < bytes - 3; i++)
        if (!tpi_letter_of_tempfile(name[i])) return 0;
    size_t kept = bytes - TAIL;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t end = strlen(ends[i]);
        if (kept > end && memcmp(name + kept - end, ends[i], end) == 0) return kept;
    }
    return 0;
}

/* The part of the file's name that a site goes by. */
static void tpi_hash_file(struct tp_hash128 *identity) {
    size_t tail = tpi_tail(), name = tail;
    for (size_t i = tail; i < tpi_names.file_bytes; i++)
        if (tpi_names.file[i] == '/') name = i + 1;
    size_t kept = tpi_generated(tpi_names.file + name, tpi_names.file_bytes - name);
    if (kept > 0)
        tp_hash128_bytes(identity, tpi_names.file + name, kept);
    else
        tp_hash128_bytes(identity, tpi_names.file + tail, tpi_names.file_bytes - tail);
}

static bool tpi_imports(void) {
    static const char machinery[] = "<frozen importlib";
    return tpi_names.file_bytes >= sizeof machinery - 1 &&
           memcmp(tpi_names.file, machinery, sizeof machinery - 1) == 0;
}

static enum tp_python_named tpi_look(tp_guard *guard, const struct tp_python_frame *frame,
                                     struct tp_python_place *place) {
    const struct tp_python *python = tp_python_met;
    struct tp_readable *known = tp_readable_get(guard->self);
    if (python == NULL || known == NULL ||
        !tpi_is(known, frame->code, python->code_type, python->at.code_instructions))
        return TP_PYTHON_UNNAMED;
    uintptr_t file = tpi_word(frame->code + python->at.code_filename);
    uintptr_t function = tpi_word(frame->code + python->at.code_qualname);
    tpi_names.file_bytes = tpi_text(python, known, file, tpi_names.file, sizeof tpi_names.file);
    tpi_names.function_bytes =
        tpi_text(python, known, function, tpi_names.function, sizeof tpi_names.function);
    tpi_names.first_line = *(const int32_t *)(frame->code + python->at.code_first_line);
    int32_t line = tpi_line_of(python, known, frame, tpi_names.first_line);
    place->identity = (struct tp_hash128){0, 0};
    tpi_hash_file(&place->identity);
    tp_hash128_bytes(&place->identity, tpi_names.function, tpi_names.function_bytes);
    tp_hash128_word(&place->identity, (uint64_t)((int64_t)line - tpi_names.first_line));
    tp_hash128_word(&place->identity, (uint64_t)tpi_names.first_line);
    place->line.line = (uint32_t)line;
    if (!tpi_number(guard, &place->line.code)) return TP_PYTHON_UNNAMED;
    if (!tpi_imports()) return TP_PYTHON_NAMED;
    tp_python_ends_at(file);
    return TP_PYTHON_OUTERMOST;
}

static struct tpi_place_entry *tpi_place_of(const struct tp_python_frame *frame) {
    if (tpi_places == NULL) tpi_places = tp_raw_pages(sizeof *tpi_places << TPI_PLACE_BITS);
    if (tpi_places == NULL) return NULL;
    uint64_t hash = tp_hash_word(tp_hash_word(frame->version, frame->code), frame->instruction);
    return &tpi_places[hash >> (64 - TPI_PLACE_BITS)];
}

enum tp_python_named tp_python_name(tp_guard *guard, const struct tp_python_frame *frame,
                                    struct tp_python_place *place) {
    struct tpi_place_entry *entry = tpi_place_of(frame);
    if (entry != NULL && memcmp(&entry->frame, frame, sizeof *frame) == 0) {
        *place = entry->place;
        return entry->named;
    }
    enum tp_python_named named = tpi_look(guard, frame, place);
    if (named != TP_PYTHON_UNNAMED && entry != NULL) *entry = (struct tpi_place_entry){*frame, *place, named};
    return named;
}

void tp_python_code_forget(void) {
    if (tpi_places != NULL) tp_raw_munmap(tpi_places, sizeof *tpi_places << TPI_PLACE_BITS);
    tpi_places = NULL;
}

void tp_python_code_fork_child(void) {
    tp_python_code_forget();
    if (tpi_codes != NULL) tp_raw_munmap(tpi_codes, tpi_capacity * sizeof *tpi_codes);
    tpi_codes = NULL;
    tpi_capacity = 0;
    tpi_count = 0;
}
