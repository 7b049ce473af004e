/* options.c - takes the texts as they come, and makes sense of them when all are there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "options.h"

#include <pub_tool_libcfile.h>
#include <pub_tool_libcprint.h>
#include <pub_tool_options.h>
#include <pub_tool_vki.h>

enum { TPI_CONFIG_BYTES = 64 * 1024, TPI_WHY_BYTES = 256 };

struct tp_options tp_options;

static struct {
#define TPI_FIELD(field, name, help) const HChar *field;
    TP_TEXT_OPTIONS(TPI_FIELD)
#undef TPI_FIELD
} tpi_text;

Bool tp_options_take(const HChar *argument) {
#define TPI_TAKE(field, name, help)                                                                          \
    if (VG_STR_CLO(argument, name, tpi_text.field)) return True;
    TP_TEXT_OPTIONS(TPI_TAKE)
#undef TPI_TAKE
    return False;
}

void tp_options_usage(void) {
#define TPI_HELP(field, name, help) VG_(printf)("    %s=... %s\n", name, help);
    TP_TEXT_OPTIONS(TPI_HELP)
#undef TPI_HELP
}

void tp_options_debug_usage(void) {
    VG_(printf)("    (none)\n");
}

__attribute__((noreturn)) static void tpi_refuse(const HChar *name, const HChar *text, const HChar *why) {
    VG_(umsg)("%s=%s: %s\n", name, text, why);
    VG_(exit)(1);
}

static ULong tpi_number(const HChar *name, const HChar *text) {
    if (text == NULL) return 0;
    HChar *end = NULL;
    Long number = VG_(strtoll10)(text, &end);
    if (end == text || *end != '\0' || number < 0) tpi_refuse(name, text, "not a number of instructions");
    return (ULong)number;
}

static void tpi_interval(const HChar *text) {
    if (text == NULL) return;
    HChar *middle = NULL, *end = NULL;
    Long measured = VG_(strtoll10)(text, &middle),
         every = *middle == ':' ? VG_(strtoll10)(middle + 1, &end) : 0;
    if (end == NULL || *end != '\0' || measured <= 0 || every <= measured)
        tpi_refuse("--tp-interval", text, "not MEASURED:EVERY, the first smaller");
    tp_options.measured = (ULong)measured;
    tp_options.every = (ULong)every;
}

static void tpi_config(const HChar *path) {
    static HChar text[TPI_CONFIG_BYTES], why[TPI_WHY_BYTES];
    tpm_config_default(&tp_options.config);
    if (path == NULL) return;
    Int file = VG_(fd_open)(path, VKI_O_RDONLY, 0);
    if (file < 0) tpi_refuse("--tp-config", path, "cannot be read");
    Int bytes = VG_(read)(file, text, sizeof text);
    VG_(close)(file);
    if (bytes < 0 || bytes == sizeof text) tpi_refuse("--tp-config", path, "cannot be read, or is too long");
    if (!tpm_config_parse(&tp_options.config, text, (size_t)bytes, why, sizeof why))
        tpi_refuse("--tp-config", path, why);
}

void tp_options_check(void) {
    tp_options.dir = tpi_text.dir;
    tp_options.region = tpi_text.region;
    tp_options.start_after = tpi_number("--tp-start-after", tpi_text.start_after);
    tp_options.stop_after = tpi_number("--tp-stop-after", tpi_text.stop_after);
    tp_options.warm_up = tpi_number("--tp-warm-up", tpi_text.warm_up);
    tp_options.feed = tpi_text.feed == NULL || !VG_STREQ(tpi_text.feed, "no");
    tpi_interval(tpi_text.interval);
    tpi_config(tpi_text.config_file);
}
