#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_BYTES 8192

int tp_report_open(struct tp_report *report, const char *raw) {
    char path[4096], room[REPORT_BYTES];
    snprintf(path, sizeof path, "%s/launch.json", raw);
    report->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (report->file < 0) return errno;
    memset(room, ' ', sizeof room);
    memcpy(room, "{\"complete\": false}", 19);
    return pwrite(report->file, room, sizeof room, 0) == (ssize_t)sizeof room ? 0 : errno;
}

void tp_json_string(FILE *out, const char *text) {
    putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') putc('\\', out);
        if ((unsigned char)*text < ' ')
            fprintf(out, "\\u%04x", (unsigned char)*text);
        else
            putc(*text, out);
    }
    putc('"', out);
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static void write_events(FILE *out, const struct tp_report *report, const struct tp_options *options) {
    fputs("  \"events\": [", out);
    for (unsigned e = 0; e < options->n_events && report->perf_error == 0; e++) {
        fputs(e > 0 ? ", {\"name\": " : "{\"name\": ", out);
        tp_json_string(out, options->events[e].name);
        fprintf(out, ", \"period\": %llu, \"count\": %llu, \"kernel\": %s}",
                (unsigned long long)report->attrs[e].sample_period, (unsigned long long)report->counts[e],
                report->attrs[e].exclude_kernel ? "false" : "true");
    }
    fputs("],\n", out);
}

static void write_notes(FILE *out, const struct tp_drain *drain) {
    fputs("  \"notes\": [", out);
    if (drain->error != 0) {
        fprintf(out, "{\"code\": \"%s\", \"text\": ", drain->error == ENOSPC ? "disk_full" : "write_failed");
        char text[200];
        snprintf(text, sizeof text, "samples end early: writing them failed: %s", strerror(drain->error));
        tp_json_string(out, text);
        fputs("}", out);
    } else if (drain->limit_reached) {
        fputs("{\"code\": \"limit_reached\", \"text\": \"samples end early: the trace reached its size "
              "limit\"}",
              out);
    }
    fputs("],\n", out);
}

void tp_report_write(const struct tp_report *report, const struct tp_drain *drain) {
    if (report->file < 0) return;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return;
    int status = report->status;
    int exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    fprintf(out, "{\"complete\": true,\n  \"exit_status\": %d, \"signal\": %d, \"exec_error\": %d,\n",
            exit_status, WIFSIGNALED(status) ? WTERMSIG(status) : 0, report->exec_error);
    fprintf(out, "  \"start_ns\": %llu, \"end_ns\": %llu, \"wall_s\": %.9f,\n",
            (unsigned long long)report->start_ns, (unsigned long long)report->end_ns,
            (double)(report->end_ns - report->start_ns) * 1e-9);
    fprintf(out, "  \"user_s\": %.6f, \"system_s\": %.6f, \"sampler_s\": %.6f,\n",
            seconds(report->program.ru_utime), seconds(report->program.ru_stime),
            seconds(self.ru_utime) + seconds(self.ru_stime));
    fprintf(out, "  \"peak_rss_bytes\": %llu, \"minor_faults\": %ld, \"major_faults\": %ld,\n",
            (unsigned long long)report->program.ru_maxrss * 1024, report->program.ru_minflt,
            report->program.ru_majflt);
    fprintf(out, "  \"perf_bytes\": %llu,\n", (unsigned long long)drain->written_bytes);
    write_events(out, report, drain->options);
    write_notes(out, drain);
    fprintf(out, "  \"perf_errno\": %d, \"perf_error\": ", report->perf_error);
    tp_json_string(out, report->perf_text);
    fputs("}\n", out);
    fclose(out);
    if (pwrite(report->file, text, size, 0) == (ssize_t)size && ftruncate(report->file, (off_t)size) != 0)
        pwrite(report->file, "{", 1, 0); /* cannot shrink: spaces after the object are still JSON */
    close(report->file);
}
