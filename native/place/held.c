/* held.c - notes. */
#include "held.h"

#include <stdarg.h>
#include <stdio.h>

#include "../shim/meta.h"

void tpi_note(enum tp_note_code code, uint32_t value, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tp_guard guard = tpi_held();
    tp_meta_note(&guard, code, value, text);
}
