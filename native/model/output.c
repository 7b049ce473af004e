/* output.c - see output.h.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-or-later
 */
#include "output.h"

/* A line of the config: the longest name, a blank, 20 digits, a newline. */
enum { TPMI_LINE_BYTES = 64 };

bool tpm_output_new(struct tpm_output *output, const struct tpm_host *host) {
    *output = (struct tpm_output){.host = host, .buffer = host->get(TPM_OUTPUT_BYTES)};
    return output->buffer != NULL;
}

void tpm_output_free(struct tpm_output *output) {
    if (output->buffer != NULL) output->host->put(output->buffer, TPM_OUTPUT_BYTES);
    output->buffer = NULL;
}

void tpm_output_flush(struct tpm_output *output) {
    if (output->used > 0 && !output->failed)
        output->failed = !output->host->write(output->host->context, output->buffer, output->used);
    output->used = 0;
}

void tpm_output_bytes(struct tpm_output *output, const void *bytes, size_t count) {
    if (output->used + count > TPM_OUTPUT_BYTES) tpm_output_flush(output);
    if (count > TPM_OUTPUT_BYTES) {
        if (!output->failed) output->failed = !output->host->write(output->host->context, bytes, count);
        return;
    }
    __builtin_memcpy(output->buffer + output->used, bytes, count);
    output->used += count;
}

void tpm_output_record(struct tpm_output *output, enum tpx_type type, const void *fixed, size_t fixed_bytes,
                       const void *more, size_t more_bytes) {
    struct tpx_header header = {.type = type, .bytes = (uint32_t)(fixed_bytes + more_bytes)};
    tpm_output_bytes(output, &header, sizeof header);
    if (fixed_bytes > 0) tpm_output_bytes(output, fixed, fixed_bytes);
    if (more_bytes > 0) tpm_output_bytes(output, more, more_bytes);
}

/* Writes `name value` and a newline to `line`; returns how many bytes that took. */
static size_t tpmi_config_line(char line[TPMI_LINE_BYTES], const char *name, uint64_t value) {
    char digits[20];
    size_t n_digits = 0, used = 0;
    do {
        digits[n_digits++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (*name != '\0')
        line[used++] = *name++;
    line[used++] = ' ';
    while (n_digits > 0)
        line[used++] = digits[--n_digits];
    line[used++] = '\n';
    return used;
}

void tpm_output_head(struct tpm_output *output, uint32_t pid, const struct tpm_config *config) {
    struct tpx_file head = {.magic = TPX_MAGIC, .version = TPX_VERSION, .pid = pid};
    tpm_output_bytes(output, &head, sizeof head);
    char line[TPMI_LINE_BYTES];
    uint32_t bytes = 0;
#define TPM_FIELD(name, value, least, most) bytes += (uint32_t)tpmi_config_line(line, #name, config->name);
    TPM_CONFIG_FIELDS(TPM_FIELD)
#undef TPM_FIELD
    struct tpx_header header = {.type = TPX_CONFIG, .bytes = bytes};
    tpm_output_bytes(output, &header, sizeof header);
#define TPM_FIELD(name, value, least, most)                                                                  \
    tpm_output_bytes(output, line, tpmi_config_line(line, #name, config->name));
    TPM_CONFIG_FIELDS(TPM_FIELD)
#undef TPM_FIELD
}
