/* main.c - reads the probe's arguments. */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tpi_usage(void) {
    fputs("usage: tierprof-probe random-read --fast-mib A --slow-mib B --seconds S [--threads T]\n"
          "       tierprof-probe stream --kind read|write|copy --mib A --seconds S [--threads T]\n"
          "       tierprof-probe skid --seconds S\n",
          stderr);
    return 2;
}

static size_t tpi_mib(const char *text) {
    return (size_t)strtoull(text, NULL, 10) << 20;
}

static int tpi_read_options(struct tp_probe_options *options, int count, char **words) {
    for (int i = 0; i + 1 < count; i += 2) {
        if (strcmp(words[i], "--fast-mib") == 0)
            options->fast_bytes = tpi_mib(words[i + 1]);
        else if (strcmp(words[i], "--slow-mib") == 0)
            options->slow_bytes = tpi_mib(words[i + 1]);
        else if (strcmp(words[i], "--mib") == 0)
            options->bytes = tpi_mib(words[i + 1]);
        else if (strcmp(words[i], "--kind") == 0)
            options->kind = words[i + 1];
        else if (strcmp(words[i], "--seconds") == 0)
            options->seconds = strtod(words[i + 1], NULL);
        else if (strcmp(words[i], "--threads") == 0)
            options->threads = (unsigned)strtoul(words[i + 1], NULL, 10);
        else
            return -1;
    }
    return count % 2 != 0 || options->seconds <= 0 || options->threads == 0 || options->threads > 1024 ? -1
                                                                                                       : 0;
}

static int tpi_run(int argc, char **argv) {
    struct tp_probe_options options = {.threads = 1};
    if (argc < 2 || tpi_read_options(&options, argc - 2, argv + 2) != 0) return tpi_usage();
    if (strcmp(argv[1], "skid") == 0) return tp_probe_skid(&options);
    if (strcmp(argv[1], "stream") == 0 && options.bytes > 0 && options.kind != NULL)
        return tp_probe_stream(&options);
    if (strcmp(argv[1], "random-read") != 0 || options.fast_bytes == 0 || options.slow_bytes == 0)
        return tpi_usage();
    return tp_probe_random_read(&options);
}

int main(int argc, char **argv) {
    int status = tpi_run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    perror("tierprof-probe: its result cannot be written");
    return 1;
}
