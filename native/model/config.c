/* config.c - reads a machine's numbers and says in one line what is wrong with them.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "config.h"

#include "level.h"

/* Sets of an L3 that are no power of two: lru.h says why no more. */
#define TPI_MOST_ODD_SETS (1u << 22)

/* What is said so far. */
struct tpmi_text {
    char *words;
    size_t used, room; /* room: at least 1, for the NUL */
};

static void tpmi_say(struct tpmi_text *out, const char *words, size_t most) {
    for (size_t i = 0; i < most && words[i] && out->used + 1 < out->room; ++i)
        out->words[out->used++] = words[i];
    out->words[out->used] = '\0';
}

static void tpmi_say_number(struct tpmi_text *out, uint64_t number) {
    char digits[21];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    tpmi_say(out, digits + at, SIZE_MAX);
}

/* Says `words`, in which each % stands for the next of the two numbers. Returns false, as who calls it wants
 * to. */
static bool tpmi_refuse(struct tpmi_text *why, const char *words, uint64_t first, uint64_t second) {
    for (; *words; ++words) {
        if (*words != '%') {
            tpmi_say(why, words, 1);
            continue;
        }
        tpmi_say_number(why, first);
        first = second;
    }
    return false;
}

static const struct tpmi_field {
    const char *name;
    size_t offset;
    uint64_t value, least, most;
} tpmi_fields[] = {
#define TPM_FIELD(name, value, least, most) {#name, offsetof(struct tpm_config, name), value, least, most},
    TPM_CONFIG_FIELDS(TPM_FIELD)
#undef TPM_FIELD
};
#define TPMI_FIELDS (sizeof tpmi_fields / sizeof tpmi_fields[0])

static uint64_t *tpmi_place_of(struct tpm_config *config, const struct tpmi_field *field) {
    return (uint64_t *)((char *)config + field->offset);
}

void tpm_config_default(struct tpm_config *config) {
    for (size_t i = 0; i < TPMI_FIELDS; ++i)
        *tpmi_place_of(config, &tpmi_fields[i]) = tpmi_fields[i].value;
}

static bool tpmi_is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static const struct tpmi_field *tpmi_field_named(const char *name, size_t bytes) {
    for (size_t i = 0; i < TPMI_FIELDS; ++i) {
        size_t same = 0;
        while (same < bytes && tpmi_fields[i].name[same] == name[same])
            ++same;
        if (same == bytes && tpmi_fields[i].name[same] == '\0') return &tpmi_fields[i];
    }
    return NULL;
}

/* Decimal digits and nothing else. False also when 64 bits cannot hold it. */
static bool tpmi_number(const char *text, size_t bytes, uint64_t *number) {
    *number = 0;
    for (size_t i = 0; i < bytes; ++i) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (__builtin_mul_overflow(*number, 10u, number)) return false;
        if (__builtin_add_overflow(*number, (uint64_t)(text[i] - '0'), number)) return false;
    }
    return bytes > 0;
}

/* One line without its end: `name value`, or blank. */
static bool tpmi_parse_line(struct tpm_config *config, const char *line, size_t bytes,
                            struct tpmi_text *why) {
    while (bytes && tpmi_is_blank(line[bytes - 1]))
        --bytes;
    while (bytes && tpmi_is_blank(*line))
        ++line, --bytes;
    if (bytes == 0) return true;
    size_t name = 0, value;
    while (name < bytes && !tpmi_is_blank(line[name]))
        ++name;
    for (value = name; value < bytes && tpmi_is_blank(line[value]);)
        ++value;

    tpmi_say(why, line, bytes);
    const struct tpmi_field *field = tpmi_field_named(line, name);
    if (!field) return tpmi_refuse(why, ": no field of the simulated machine has this name", 0, 0);
    uint64_t number;
    if (!tpmi_number(line + value, bytes - value, &number))
        return tpmi_refuse(why, ": its value is no whole number; it must be from % to %", field->least,
                           field->most);
    if (number < field->least || number > field->most)
        return tpmi_refuse(why, ": out of range; it must be from % to %", field->least, field->most);
    *tpmi_place_of(config, field) = number;
    return true;
}

static bool tpmi_power_of_two(uint64_t number) {
    return number && (number & (number - 1)) == 0;
}

/* `name`: "l1", whose fields are l1_bytes and l1_ways. */
static bool tpmi_check_cache(const char *name, uint64_t bytes, uint64_t ways, bool odd_sets, bool pseudo_lru,
                             struct tpmi_text *why) {
    uint64_t sets = bytes / (ways * TPM_LINE_BYTES);
    tpmi_say(why, name, SIZE_MAX);
    if (sets * ways * TPM_LINE_BYTES != bytes)
        return tpmi_refuse(why,
                           "_bytes %: no whole number of sets of % lines of 64 bytes; change it or the ways",
                           bytes, ways);
    if (sets < TPM_LEAST_SETS)
        return tpmi_refuse(
            why, "_bytes %: with % ways it has fewer than 64 sets; make it larger or the ways fewer", bytes,
            ways);
    if (!tpmi_power_of_two(sets) && !odd_sets)
        return tpmi_refuse(why, "_bytes %: its % sets must be a power of two; change it or the ways", bytes,
                           sets);
    if (!tpmi_power_of_two(sets) && sets >= TPI_MOST_ODD_SETS)
        return tpmi_refuse(why, "_bytes %: its % sets must be fewer than 4194304 or a power of two", bytes,
                           sets);
    if (pseudo_lru && !tpmi_power_of_two(ways))
        return tpmi_refuse(why, "_ways %: pseudo_lru needs a power of two; change it or set pseudo_lru to 0",
                           ways, 0);
    return true;
}

static bool tpmi_check_tlb(const char *name, uint64_t entries, uint64_t ways, struct tpmi_text *why) {
    tpmi_say(why, name, SIZE_MAX);
    if (entries % ways || !tpmi_power_of_two(entries / ways))
        return tpmi_refuse(why, "_entries %: they must make a power of two of sets of % ways; change one",
                           entries, ways);
    return true;
}

/* What the fields' own ranges do not say. Every check says its subject first; that of one that passes is
 * taken back. */
static bool tpmi_check(const struct tpm_config *config, struct tpmi_text *why) {
    bool tree = config->pseudo_lru;
    if (!tpmi_check_cache("l1", config->l1_bytes, config->l1_ways, false, tree, why)) return false;
    why->used = 0;
    if (config->l2_bytes && !tpmi_check_cache("l2", config->l2_bytes, config->l2_ways, false, tree, why))
        return false;
    why->used = 0;
    if (!tpmi_check_cache("l3", config->l3_bytes, config->l3_ways, true, tree, why)) return false;
    why->used = 0;
    if (!tpmi_check_tlb("tlb1", config->tlb1_entries, config->tlb1_ways, why)) return false;
    why->used = 0;
    if (config->tlb2_entries && !tpmi_check_tlb("tlb2", config->tlb2_entries, config->tlb2_ways, why))
        return false;
    why->used = 0;
    if (config->page_bytes != 4096 && config->page_bytes != 2097152)
        return tpmi_refuse(why, "page_bytes %: pages are of 4096 or of 2097152 bytes", config->page_bytes, 0);
    return true;
}

bool tpm_config_parse(struct tpm_config *config, const char *text, size_t bytes, char *why,
                      size_t why_bytes) {
    char nothing[1];
    struct tpmi_text out = {why_bytes ? why : nothing, 0, why_bytes ? why_bytes : 1};
    tpm_config_default(config);
    while (bytes) {
        size_t line = 0;
        while (line < bytes && text[line] != '\n')
            ++line;
        if (!tpmi_parse_line(config, text, line, &out)) return false;
        out.used = 0;
        if (line < bytes) ++line;
        text += line;
        bytes -= line;
    }
    if (!tpmi_check(config, &out)) return false;
    out.words[0] = '\0';
    return true;
}
