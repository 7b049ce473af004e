#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The typed table of an event's fields: name in the specification, place in the structure. */
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
#define TP_FIELD(field) {#field, offsetof(struct tp_event_spec, field)}
    TP_FIELD(type),    TP_FIELD(config), TP_FIELD(config1), TP_FIELD(config2),
    TP_FIELD(period),  TP_FIELD(sample), TP_FIELD(freq),    TP_FIELD(regs),
    TP_FIELD(precise), TP_FIELD(kernel), TP_FIELD(track),   TP_FIELD(group),
#undef TP_FIELD
};

static bool read_number(const char *text, uint64_t *number) {
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0';
}

static bool read_field(struct tp_event_spec *event, const char *name, const char *value) {
    if (strcmp(name, "name") == 0) {
        if (strlen(value) >= sizeof event->name) return false;
        strcpy(event->name, value);
        return true;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strcmp(name, fields[i].name) == 0)
            return read_number(value, (uint64_t *)((char *)event + fields[i].offset));
    return false;
}

static bool read_event(struct tp_event_spec *event, char *text) {
    memset(event, 0, sizeof *event);
    for (char *rest = text, *pair; (pair = strsep(&rest, ",")) != NULL;) {
        char *equals = strchr(pair, '=');
        if (equals == NULL) return false;
        *equals = '\0';
        if (!read_field(event, pair, equals + 1)) return false;
    }
    return event->name[0] != '\0';
}

static const char *read_option(struct tp_options *options, const char *name, char *value) {
    if (strcmp(name, "--raw") == 0) {
        options->raw = value;
    } else if (strcmp(name, "--event") == 0) {
        if (options->n_events == TP_MAX_EVENTS) return "too many events";
        if (!read_event(&options->events[options->n_events++], value))
            return "an event's specification is wrong";
    } else if (strcmp(name, "--env") == 0) {
        if (options->n_env == TP_MAX_ENV) return "too many --env";
        if (strchr(value, '=') == NULL) return "--env needs NAME=VALUE";
        options->env[options->n_env++] = value;
    } else if (strcmp(name, "--max-bytes") == 0) {
        if (!read_number(value, &options->max_bytes)) return "--max-bytes needs a number";
    } else {
        return "unknown option";
    }
    return NULL;
}

const char *tp_options_read(struct tp_options *options, int argc, char **argv) {
    *options = (struct tp_options){.mode = TP_MODE_RUN, .max_bytes = UINT64_MAX};
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--try") == 0) {
            options->mode = TP_MODE_TRY;
        } else if (strcmp(argv[i], "--cost") == 0) {
            options->mode = TP_MODE_COST;
        } else {
            if (i + 1 >= argc) return "an option lacks its value";
            const char *wrong = read_option(options, argv[i], argv[i + 1]);
            if (wrong != NULL) return wrong;
            i++;
        }
    }
    if (options->mode != TP_MODE_RUN)
        return options->n_events > 0 ? NULL : "--try and --cost need an --event";
    if (options->raw == NULL) return "--raw is missing";
    if (i + 1 >= argc) return "no command after --";
    options->command = argv + i + 1;
    return NULL;
}
